"""Arrays as engines take them.

memory.py           single numbers at an address
layout.py           strided arrays as contiguous ones, and arrays at an address
overlap.py          whether an output shares memory with an input
requests.py         lines that will be needed, asked for ahead
"""
