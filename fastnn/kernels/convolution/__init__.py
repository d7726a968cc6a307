"""Which engine of sums/ and winograd/ a convolution takes.

choices.py          by the cycles that each takes; channel_choices.py: of single channels
windows.py          sums to z and to planes of da; image_gradient.py: dz -> da, plane by plane
"""
