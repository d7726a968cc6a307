"""Arrays right before a page that may not be touched, or right behind one: an access outside ends the process."""

import ctypes
import mmap
import os

import numpy as np

NO_ACCESS = 0


def guarded(values, before):
    """A copy of the array in C order, between two guard pages, close to the one before it or to the one behind it.

    The memory is the array's own and ends with it: a process may have 65,530 parts of memory, of which this is three.
    """
    if os.name != "posix":
        import pytest

        pytest.skip("pages are protected by POSIX's mprotect")
    libc, values = ctypes.CDLL(None, use_errno=True), np.ascontiguousarray(values)
    page = mmap.PAGESIZE
    inner = max(1, -(-values.nbytes // page)) * page
    memory = mmap.mmap(-1, inner + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (start, start + page + inner):
        if libc.mprotect(ctypes.c_void_p(guard), page, NO_ACCESS) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = page if before else page + inner - values.nbytes
    copy = np.frombuffer(memory, values.dtype, values.size, offset).reshape(values.shape)
    copy[...] = values
    return copy
