"""What bench/tables.py stands on: the rows' arithmetic, agreement, turns, and the page's text. No peer is needed."""

import os

import architectures
import machine
import numpy as np
import page
import peers
import pytest
import rows
import tables
from contest import APART, Contender, Contest, check, race, settle, writes
from processes import output


@pytest.mark.parametrize(
    ("name", "m", "expected"),
    [("T3", 64, 26e6), ("T4", 128, 410e6), ("T5", 32, 50e6), ("T7", 32, 2.8e9), ("T8", 10_000, 40e6)],
)
def test_flops_of_a_step(name, m, expected):
    """By hand, to two digits: three products a layer, two in the first."""
    row = next(row for row in rows.STEPS if (row.operation, row.m) == (name, m))
    assert row.flops == pytest.approx(expected, rel=0.03)


def test_shapes_of_lenet():
    shapes = [after for _, _, after in architectures.LENET.shapes()]
    assert shapes == [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4), (120,), (84,), (10,)]


def test_a_convolution_row():
    row = rows.ConvolutionRow("forward", 8, 3, 224, 224, 64, 7, 2, 3)
    assert row.z_shape == (8, 64, 112, 112)
    assert row.flops == 2 * 8 * 64 * 112 * 112 * 3 * 49
    assert row.groups == ("forward", "C f f >= 64, K >= 16")
    assert row._replace(C=1).groups == row._replace(K=15).groups == ("forward",)


def test_float64_has_fewer_steps():
    assert {row.operation for row in rows.rows("T", "float64")} == {"T3", "T5"}
    assert len(rows.rows("T", "float32")) == 11
    assert [row.operation for row in rows.rows("F", "float64")] == ["T2", "T5"]
    assert len(rows.rows("D", "float64")) == 30
    assert len(rows.rows("C", "float32")) == 39


def contest(**results):
    """Contenders whose results are given."""
    return Contest({name: Contender(lambda: None, lambda r=r: np.array(r)) for name, r in results.items()}, atol=0.1)


def test_check():
    check(contest(fastnn=[1.0, 2.0], other=[1.05, 2.0]))
    with pytest.raises(AssertionError, match="other beside fastnn"):
        check(contest(fastnn=[1.0, 2.0], good=[1.0, 2.0], other=[1.2, 2.0]))
    with pytest.raises(AssertionError, match="not finite"):
        check(contest(fastnn=[1.0, np.nan], other=[1.0, np.nan]))
    with pytest.raises(AssertionError, match="other: expected float64, got float32"):
        check(contest(fastnn=[1.0], other=np.ones(1, np.float32)))


def test_an_output_that_is_not_written_is_seen():
    out = np.zeros(2)
    assert np.isnan(writes(lambda: None, out).result()).all()
    np.testing.assert_array_equal(writes(lambda: out.fill(3), out).result(), [3, 3])


def test_contenders_take_turns_and_their_shortest_time_counts(monkeypatch):
    """With a clock that only they move: slow takes 3 s but once 2, quick 1."""
    calls, clock = [], [0.0]

    def call(name, *durations):
        def run():
            calls.append(name)
            clock[0] += durations[min(calls.count(name), len(durations)) - 1]

        return run

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    found = race({"slow": call("slow", 3, 3, 2, 3), "quick": call("quick", 1)}, seconds=0, least_rounds=3)
    assert found == {"slow": 2, "quick": 1}
    assert calls[2:] == ["slow", "quick"] * 3
    calls.clear()
    monkeypatch.setattr("time.sleep", lambda seconds: calls.append(seconds))
    race({"slow": call("slow", 3), "quick": call("quick", 1)}, seconds=0, least_rounds=1, pause=0.5)
    assert calls[2:] == [0.5, "slow", "slow", 0.5, "quick", "quick"]
    calls.clear()
    race({"short": call("short", 1, 0.4 * APART)}, seconds=0, least_rounds=1, pause=0.5)
    assert calls[1:] == [0.5] + ["short"] * 4


def test_a_turn_waits_for_the_threads_of_the_last_one(monkeypatch):
    """Which work for two of the times that it sleeps."""
    sleeps, used = [], iter([0, 1, 1, 2, 2, 2])
    monkeypatch.setattr("time.process_time", lambda: next(used))
    monkeypatch.setattr("time.sleep", sleeps.append)
    settle()
    assert len(sleeps) == 3


def test_a_turn_is_as_long_as_its_quickest_call_allows(monkeypatch):
    """A call of 0.1 ms whose first ones take 1 ms: 20 of it fill a turn of 2 ms."""
    clock, durations = [0.0], iter([1e-3, 1e-3, 1e-4])
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    calls = []

    def run():
        calls.append(None)
        clock[0] += next(durations, 1e-4)

    race({"only": run}, seconds=0, least_rounds=1)
    assert len(calls) in (5 + 19, 5 + 20)


def test_a_commit_is_as_measured_whatever_pages_are_written_of_it(monkeypatch):
    """Git is asked for the commit, then for changed files but the pages."""
    answers, asked = {}, []

    def git(folder, *words):
        asked.append(words)
        return answers[words[0]]

    monkeypatch.setattr(machine, "_git", git)
    for changed, expected in (("", "0123456789ab"), (" M fastnn/plan.py", "0123456789ab-dirty")):
        answers.update({"rev-parse": "0123456789ab", "status": changed})
        assert machine.commit() == expected
    assert asked[1][-2:] == (":!bench/TABLES.md", ":!bench/RESULTS.md")


def test_geometric_mean():
    assert page.geometric_mean([0.5, 8]) == pytest.approx(2)
    assert page.geometric_mean([1e-200] * 3 + [1e200] * 3) == pytest.approx(1)


SMALL, LARGE = rows.DenseRow("forward", 8, 16, 16), rows.DenseRow("dz_to_da", 100, 100, 100)
TIMINGS = [
    page.Timing(SMALL, {"fastnn": 1e-6, "NumPy": 4e-6, "PyTorch": 2e-6}, 1e11),
    page.Timing(LARGE, {"fastnn": 20e-6, "NumPy": 10e-6}, 2e11),
]


def test_table():
    assert page.table(TIMINGS)[2:] == [
        "| forward | (8, 16, 16) | 1.00 | 4.00 (4.00) | 2.00 (2.00) | **2.00** | 4.1 | 4 % |",
        "| dz_to_da | (100, 100, 100) | 20.00 | 10.00 (0.50) | - | **0.50** | 100.0 | 50 % |",
    ]
    alone = page.Timing(SMALL, {"fastnn": 2e-4}, 1e11)
    assert page.table([alone])[2:] == ["| forward | (8, 16, 16) | 200 | - | 0.0 | 0 % |"]
    assert len({line.count("|") for line in page.table(TIMINGS)}) == 1


def test_summary():
    assert page.summary(TIMINGS)[2:] == [
        "| all | 2 | **1.00** | 0.50 | 4 % |",
        "| forward | 1 | **2.00** | 2.00 | 4 % |",
        "| dz_to_da | 1 | **0.50** | 0.50 | 50 % |",
        "| m n_in n_out <= 64^3 | 1 | **2.00** | 2.00 | 4 % |",
    ]


def test_a_section_without_peers_claims_nothing():
    text = page.section("D. x", ["fact"], [page.Timing(SMALL, {"fastnn": 1e-6}, 1e11)])
    assert "geometric" not in text
    assert text.startswith("## D. x\n\n- fact\n- Peak of the register tile: 100 to 100 GFLOP/s\n")


def test_a_section_takes_the_place_of_its_former_self():
    first = page.with_section("# Head\n\nwords\n", "## T. b\n\nold\n")
    second = page.with_section(first, "## D. a\n\nother\n")
    assert second == "# Head\n\nwords\n\n## D. a\n\nother\n\n## T. b\n\nold\n"
    assert page.with_section(second, "## T. b\n\nnew\n") == second.replace("old", "new")


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "Nobody", "no_such_module")
    assert peers.installed(("Nobody", "NumPy")) == ["NumPy"]
    with pytest.raises(peers.MissingPeerError, match=r"Nobody: no_such_module is not installed: .*fastnn\[peers\]"):
        peers.require(["NumPy", "Nobody"])


def test_options():
    options = tables.parser().parse_args(["D", "--rows", "(8, 16", "100, 100"])
    assert [rows.name(row) for row in tables.chosen_rows(options)][:2] == ["forward (8, 16, 16)", "forward (100, 100, 100)"]
    assert tables.title(options) == "D. Dense kernels, float32, 1 thread"
    with pytest.raises(ValueError, match=r"--rows: no row of table D contains 'T5'"):
        tables.chosen_rows(tables.parser().parse_args(["D", "--rows", "T5"]))
    with pytest.raises(ValueError, match=r"--peers: expected some of NumPy, PyTorch, got 'JAX'"):
        tables.chosen_peers(tables.parser().parse_args(["D", "--peers", "JAX"]))


def test_threads():
    """Set for every pool, and as many CPUs; more than there are is refused."""
    code = "import sys, os; sys.path.insert(0, sys.argv[1]); import threads; threads.limit(1)\n"
    show = "print(os.environ['OMP_NUM_THREADS'], os.environ['NPROC'], os.environ['XLA_FLAGS'], os.cpu_count())\n"
    folder = str(tables.TABLES.parent)
    assert output(code + show, folder).split()[:3] == ["1", "1", "--xla_cpu_multi_thread_eigen=false"]
    if hasattr(os, "sched_setaffinity"):
        refused = "\ntry: threads.limit(2)\nexcept ValueError as error: print(len(os.sched_getaffinity(0)), error)\n"
        assert output(code + refused, folder).startswith("1 threads: expected at most the 1 CPUs")


def test_every_row_is_named_once():
    for table in ("D", "C", "M", "E", "T"):
        names = [rows.name(row) for row in rows.rows(table, "float32")]
        assert len(names) == len(set(names))
