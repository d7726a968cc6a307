"""Whole networks in compiled code: they walk through the table that fastnn/plan.py lays out.

network.py          a slice of samples forward and back, on frame.py; images.py: of images; narrow.py: narrow ones
step.py             a training step, with optimise.py and workspace.py; train.py: many; team.py, crew.py: by threads
whole.py            such functions inside @njit, and in Python what words their refusals
"""
