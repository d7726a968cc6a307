"""The tile stays in registers: no vector goes to the stack or comes from there in the loop over a product's terms.

Where vectors of others do, the stack is aligned to them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastnn.kernels.compiler.shared import shared
from fastnn.kernels.registers.forms import form, full_rows, zeros
from fastnn.kernels.registers.simd import VECTORS, full_rows_of
from fastnn.kernels.registers.tiles import rank_one, store

CPUS = {"skylake-avx512": 32, "haswell": 16, "neoverse-n1": 32}  # and how many vector registers they have
ARM = "aarch64-unknown-linux-gnu"
STACK = re.compile(r"(\(|\[)(%rsp|sp)\b")
VECTOR = re.compile(r"%[xyz]mm|\bq\d")
MULTIPLY_ADD = re.compile(r"\s(vfmadd|fmla)")


@shared
def two_tiles(a: int, b: int, c: int, n: int, zero: float) -> None:
    """More sums than there are registers."""
    t = zeros(form(zero, full_rows(zero), VECTORS))
    u = t
    for i in range(n):
        t, u = rank_one(t, a + 8 * i, 8 * n, 99, b, None), rank_one(u, a + 8 * i, 16 * n, 99, b, None)
    store(t, c, 1000, 99, None)
    store(u, c + 8000, 1000, 99, None)


def loops(assembly):
    """The lines of each innermost loop: from a label to a jump back to it, with no label between."""
    begin, label = 0, None
    lines = assembly.splitlines()
    for place, line in enumerate(lines):
        if found := re.match(r"(\.?L\w+):", line):
            begin, label = place, found[1]
        elif label and re.match(rf"\s+(j|b|cb|tb).*{re.escape(label)}$", line.rstrip()):
            yield lines[begin + 1 : place]


def wide_loops(assembly, rows):
    """Those over the terms of a full tile."""
    return [loop for loop in loops(assembly) if sum(bool(MULTIPLY_ADD.search(line)) for line in loop) == rows * VECTORS]


def print_assembly(cpu, *functions):
    """Of shared functions. For a subprocess, which compiles for that CPU; for ARM it has this machine's compiler work with
    NEON's registers.
    """
    from llvmlite import binding

    from fastnn.kernels.compiler import shared
    from fastnn.kernels.registers import forms, simd

    if cpu == "neoverse-n1":
        simd.registers = forms.registers = lambda: (16, 32)
    from fastnn.kernels.products import blocking  # noqa: F401 (it makes the slots)

    for slot in (slot for slot in shared._slots.values() if slot.symbol.startswith(functions)):
        slot.dispatcher.compile(slot.signature.args)
        library = slot.dispatcher.overloads[slot.signature.args].library
        if cpu != "neoverse-n1":
            print(library.get_asm_str())
            continue
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        code = re.sub(r'"target-(cpu|features)"="[^"]*"|target (datalayout|triple) = .*', "", library.get_llvm_str())
        machine = binding.Target.from_triple(ARM).create_target_machine(cpu=cpu, opt=3)
        print(machine.emit_assembly(binding.parse_assembly(f'target triple = "{ARM}"\n{code}')))


def assembly(cpu, *functions):
    folder, call = str(Path(__file__).parent), f"t.print_assembly{(cpu, *functions)!r}"
    program = f"import sys; sys.path.insert(0, {folder!r}); import test_registers as t; {call}"
    choice = {} if cpu == "neoverse-n1" else {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    environment = {**os.environ, **choice, "FASTNN_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    if "No available targets" in done.stderr:
        pytest.skip("this llvmlite has no such target")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("cpu", CPUS)
def test_no_spills(cpu):
    """Of the wide tile, whose sums, vectors of b and broadcast fill the registers."""
    found = wide_loops(assembly(cpu, "fastnn.kernels.products.blocking._under_panel"), full_rows_of(CPUS[cpu]))
    assert len(found) >= 4  # two dtypes, with and without packing
    assert not [line for loop in found for line in loop if STACK.search(line) and VECTOR.search(line)]


@pytest.mark.parametrize("cpu", ["skylake-avx512", "haswell"])
def test_the_stack_is_aligned_to_vectors(cpu):
    moves = [line for line in assembly(cpu, "test_registers.two_tiles").splitlines() if STACK.search(line)]
    assert [line for line in moves if "vmovap" in line]
    assert not [line for line in moves if "vmovup" in line]
