"""Which engine of sums/ and winograd/ a convolution takes.

choices.py          by the cycles that each takes; channel_choices.py: of single channels
groups.py           forward, dtheta and da of all groups; single_channels.py: of one channel and one k each
windows.py          sums to z and to planes of da; image_gradient.py: dz -> da, plane by plane
"""
