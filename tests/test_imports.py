"""Imports run one way: what stands below never knows what stands on it (CONTRIBUTING.md, The house)."""

import ast
from pathlib import Path

import pytest

import fastnn

PACKAGE = Path(fastnn.__file__).parent
ENGINES = "registers", "compiler", "arrays", "loops", "products", "sums", "winograd", "convolution", "pooling"
PACKAGES = *ENGINES, "", "networks"  # "": the kernels' own files


def imported(path):
    """The modules that a file of fastnn imports of fastnn, by the names of their parts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fastnn":
            for alias in node.names:
                yield [*node.module.split(".")[1:], alias.name]


def package(parts):
    """Of kernels/: "" for the kernels' own files."""
    return parts[1] if (PACKAGE / "kernels" / parts[1]).is_dir() else ""


def test_every_package_is_named():
    found = {path.name for path in (PACKAGE / "kernels").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(PACKAGES) - {""}


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernels").rglob("*.py")), ids=lambda path: path.stem)
def test_kernels_import_what_stands_below(path):
    own = "" if path.parent.name == "kernels" else path.parent.name
    for parts in imported(path):
        if parts[0] == "kernels":
            assert package(parts) in PACKAGES[: PACKAGES.index(own) + 1], ".".join(parts)
        else:
            assert parts[0] in {"shapes", "arguments", "constants", "plan"}, ".".join(parts)


def test_the_reference_knows_no_kernel():
    for path in (PACKAGE / "reference").glob("*.py"):
        for parts in imported(path):
            assert parts[0] in {"reference", "shapes", "arguments", "constants"}, f"{path.name}: {'.'.join(parts)}"
