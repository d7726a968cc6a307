"""Sums over windows of 3 x 3 in fewer products, forward, to da and to dtheta.

winograd.py                 z, and planes of da; winograd_theta.py: dtheta
winograd_schemes.py         which products; winograd_choices.py: where they are faster
winograd_tiles.py           the transforms, for stride 1; winograd_strided.py: for stride 2;
                            winograd_back.py: from dz to da; winograd_gradients.py: to dtheta
"""
