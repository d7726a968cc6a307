"""Elementwise loops that LLVM vectorises.

elementary.py       exp, log, tanh and their kin; normal.py: Phi
pointwise.py        the loops of the activations; cost_loops.py: of the costs
"""
