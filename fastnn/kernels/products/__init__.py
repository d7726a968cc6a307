"""Products of matrices, under dense layers and convolutions.

gemm.py             any strides; product_ways.py: which way
blocking.py         in register tiles, with packing.py; dots.py: dot products
narrow_tiles.py     samples in the lanes, for narrow layers of networks
"""
