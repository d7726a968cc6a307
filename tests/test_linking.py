"""Numba's private names that private.py lists: without any of them all works as with plain Numba. And gc."""

import gc

import pytest
from processes import output

from fastnn.kernels.compiler import linking, private

# Imports Numba with a name of all modules of numba.core replaced by another; prints whether all are there, and a result.
WITHOUT = """
import importlib.machinery, importlib.util, sys
old, new = sys.argv[1], "another" + sys.argv[1]

class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, name):
        path = self.get_filename(name)
        return self.source_to_code(self.get_data(path).replace(old.encode(), new.encode()), path)

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.startswith("numba.core.") and path is not None:
            spec = super().find_spec(name, path, target)
            if spec is not None and spec.origin.endswith(".py") and not spec.submodule_search_locations:
                return importlib.util.spec_from_file_location(name, spec.origin, loader=Loader(name, spec.origin))

sys.meta_path.insert(0, Finder)
import numpy as np
from fastnn.kernels import softplus
from fastnn.kernels.compiler import private
print(private.is_known(), softplus(np.linspace(-9, 9, 40)).tolist())
"""
NAMES = *(name for _, name in private.MEMBERS), *(name for _, _, name in private.ATTRIBUTES)


@pytest.fixture(scope="module")
def usual():
    """What it prints with Numba as it is."""
    return output(WITHOUT, "no such name", FASTNN_CACHE_DIR="")


def test_numba_is_as_expected(usual):
    assert usual.startswith("True [")


@pytest.mark.parametrize("name", NAMES)
def test_without_a_private_name(name, usual):
    assert output(WITHOUT, name, FASTNN_CACHE_DIR="") == usual.replace("True", "False")


def nested():
    with linking.undisturbed():
        with linking.undisturbed():
            pass
        assert not gc.isenabled()
        raise ValueError("refused")


def test_the_collector_comes_back():
    """From an error in the compiler too, and not before all of its work is done."""
    with pytest.raises(ValueError, match="refused"):
        nested()
    assert gc.isenabled()


def test_the_collector_stays_as_it_is():
    gc.disable()
    try:
        with linking.undisturbed():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
