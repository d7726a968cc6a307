"""python3 -m fastnn verify: what it prints, and that it finds what is broken."""

import re
import subprocess

import numpy as np
import pytest

from fastnn import __main__ as main
from fastnn import compiled, kernels, verify

RESULT = re.compile(r"^(\w+) +(\S+) +(\S+) +(\S+) +(\S+) +([\d.]+)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def serial(monkeypatch):
    """As in the process that it starts, so that it stays in this one."""
    for name in main.SERIAL:
        monkeypatch.setenv(name, "1")


@pytest.fixture
def few(monkeypatch):
    """Two kernels instead of all."""
    monkeypatch.setattr(kernels, "__all__", ["adam_step", "tanh"])


def test_every_kernel_has_a_call():
    assert {call.kernel for call in verify.CALLS} == set(kernels.__all__)


def test_every_kernel_is_within_its_bound(capsys, monkeypatch):
    monkeypatch.setattr(verify, "SECONDS", 0)
    status, out = main.main(["verify"]), capsys.readouterr().out
    assert (status, out.splitlines()[-1]) == (0, "nothing is wrong")
    heads = [line.split()[0] for line in out.splitlines()[:6]]
    assert heads == ["fastnn", "system", "compiled", "cache", "threads", "variables"]
    assert re.search(r"^fastnn \S+, Python \S+, numpy \S+, numba \S+, llvmlite \S+$", out, re.MULTILINE)
    found = RESULT.findall(out)
    assert [name for name, *_ in found] == kernels.__all__
    for _, *errors in found:
        assert float(errors[0]) <= float(errors[1])
        assert float(errors[2]) <= float(errors[3])
    assert len(re.findall(r"^compiled step, float\d\d: error \S+, bound \S+$", out, re.MULTILINE)) == 2
    assert "steps by 1 and by 2 threads, float32: the same bits\n" in out


@pytest.mark.parametrize("factor", [1.00001, np.nan])
def test_a_wrong_kernel(factor, few, capsys, monkeypatch):
    """By little, or NaN: named, with its error and its bound; exit status 1."""
    tanh = kernels.tanh
    monkeypatch.setattr(kernels, "tanh", lambda *z: tanh(*z) * z[0].dtype.type(factor))
    status, out = main.main(["verify"]), capsys.readouterr().out
    assert status == 1
    assert len(re.findall(r"^BROKEN  tanh, float(32|64): error \S+, bound \S+$", out, re.MULTILINE)) == 4
    assert out.splitlines()[-1].startswith("4 of the bounds are broken: please report it")


def test_a_wrong_step(few, capsys, monkeypatch):
    """The layers' gradients are others, and two threads do not do what one does."""
    step = compiled.Trainer.step

    def other(self, x, y):
        self.model.parameters += np.float32(self.workers)
        return step(self, x, y)

    monkeypatch.setattr(compiled.Trainer, "step", other)
    monkeypatch.setattr(verify.jit, "step", lambda *arguments: None)
    status, out = main.main(["verify"]), capsys.readouterr().out
    assert status == 1
    assert re.findall(r"^BROKEN  (compiled step, float\d\d|steps by 1 and by 2)", out, re.MULTILINE) == [
        "compiled step, float32",
        "compiled step, float64",
        "steps by 1 and by 2",
    ]


def test_it_is_about_compiled_code(capsys, monkeypatch):
    monkeypatch.setattr(main.backend, "name", "numpy")
    assert main.main(["verify"]) == 2
    assert capsys.readouterr().err == "fastnn: verify: expected FASTNN_BACKEND=numba, got numpy\n"


def test_numpy_has_one_thread_in_it(monkeypatch):
    """Where a variable is missing, another process does the work, and its exit status is the answer."""
    monkeypatch.delenv(main.SERIAL[0])
    monkeypatch.setattr(
        main.subprocess, "run", lambda command, env, check: subprocess.CompletedProcess(command, env[main.SERIAL[0]])
    )
    assert main.main(["verify"]) == "1"


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main(["verify", "--help"])
    assert caught.value.code == 0
    assert "usage: python3 -m fastnn verify [-h]" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main.main(["verify", "--fast"])
    assert caught.value.code == 2
