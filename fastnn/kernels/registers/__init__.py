"""Vector registers, and tiles of them as Numba values: what the engines are written in, and the only
package that writes LLVM's code but for compiler/calls.py.

    simd.py             the host's registers as Numba types; instructions.py: the code that the others are made of
    tiles.py            register tiles; forms.py: which, and how large they are on this CPU
    column_tiles.py     tiles of rows that lie one below the other; sample_tiles.py: of vectors that lie anywhere
    lanes.py            parts of vectors; shuffles.py: in another order; lane_bytes.py: a byte for each lane
    bits.py             bits of single floats, and how wide vectors are
"""
