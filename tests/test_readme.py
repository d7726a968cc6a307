"""What README shows runs as it stands, and says what it prints."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def run(example):
    """What the example prints, and the names that it leaves."""
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, str(README), "exec"), names)
    return printed.getvalue(), names


def test_a_loop_of_ones_own_learns():
    printed, _ = run(EXAMPLES[0])
    assert 0 < float(printed) < 0.01


def test_layers_learn_and_are_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed, names = run(EXAMPLES[1])
    assert names["model"].evaluate(names["x_test"], names["y_test"]).accuracy > 0.95
    assert (names["same"].parameters == names["model"].parameters).all()
    assert "worst of 200 parameters" in printed


def test_a_policy_learns_to_balance():
    printed, _ = run(EXAMPLES[2])
    assert printed == "500 of 500 steps\n"
