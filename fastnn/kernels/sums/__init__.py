"""Sums over the windows of a convolution as the equations have them: each engine for other shapes.

planes.py           images as windows meet them, copied by filling.py; cropping.py: windows without
                    taps that only meet padding; weights.py: theta in tiles
correlate.py        lanes are cells, rows k; last_cell.py: a cell that would have a vector to itself; results.py: sums to
                    cells; cycles.py: how long it takes
cell_rows.py        lanes are k, rows cells that lie apart in the image; cell_rows_back.py: dz -> da of windows that do not
                    overlap; both by cell_panels.py; padded.py: images with their padding
few_cells.py        the same where cells are few and weights many: theta is read where it is; few_products.py: da and dtheta
single_cells.py     windows of one cell: a product of matrices
sample_lanes.py     a sample in each lane, and sample_turns.py there and back
depthwise.py        channels that meet one k each; depthwise_rows.py: of stride 1; depthwise_theta.py: their dtheta, by
                    channel_lines.py; channel_lanes.py, channel_theta.py: the same with a channel in each lane, in bands of
                    rows (channel_bands.py)
scatter.py          dz -> da as notes (18), (19) have it; spreading.py: of windows of one cell and stride 2
theta_gradient.py   dz -> dtheta by theta_lanes.py (lanes are cells) or theta_rows.py (lanes are k);
                    theta_cells.py: of windows of one cell; theta_room.py: what these two need
"""
