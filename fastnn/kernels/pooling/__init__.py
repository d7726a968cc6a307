"""Pooling on addresses, by the kind of windows.

pool_loops.py       chooses: pool2x2.py, pool2x2_back.py: 2 x 2 that do not overlap, with pool2x2_strips.py; pool3x3.py,
                    pool3x3_back.py, pool3x3_route.py: 3 x 3 with strides of 2, with pool3x3_strips.py; any others:
                    pool_planes.py, over many small images, and pool_windows.py
pool_order.py       which cell is the largest, where there may be NaN
"""
