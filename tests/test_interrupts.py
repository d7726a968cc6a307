"""Ctrl-C, at any time: what runs ends well, nothing is half written, and it is raised."""

import pytest
from trainings import POSIX, does


@POSIX
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_training(threads):
    """At any time, 60 times: the history says so, the model is not written any more, and all goes on."""
    does(f"""
fastnn.set_num_threads({threads})
trained()
delays = np.random.default_rng(2).uniform(0.0, 0.1, 60)
waited = []
for delay in delays:
    model, sent = network(), []
    def interrupt():
        time.sleep(delay)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        history = model.fit(x, y, epochs=100000, batch_size=256, verbose=0)
        waited.append(time.perf_counter() - sent[0])
        assert history.interrupted
    except KeyboardInterrupt:  # before the first epoch or after the last
        pass
    left = model.parameters.copy()
    thread.join()
    time.sleep(0.001)
    assert np.array_equal(model.parameters, left)
assert len(waited) > 30 and np.median(waited) < 0.5, waited
assert np.array_equal(trained(), trained())
assert compiled.threads._crew(os.getpid()).board[0] == 0
""")


@pytest.mark.parametrize("event", ["c_call", "c_return"])
def test_ctrl_c_while_a_team_is_called(event):
    """Right before or behind the call that gives it its work: no thread waits for another, and the model is left alone."""
    does(f"""
expected, calls = trained(), []
def interrupt(frame, event, function):
    if event == {event!r} and frame.f_code is compiled.Trainer._lead_to_its_end.__code__ and function.__name__ == "lead":
        calls.append(frame.f_locals["job"][6])
        if len(calls) == 3:
            sys.setprofile(None)
            raise KeyboardInterrupt
model = network()
sys.setprofile(interrupt)
history = model.fit(x, y, epochs=1000, batch_size=2048, verbose=0)
left = model.parameters.copy()
assert calls == [1, 2, 2] and history.interrupted
time.sleep(0.2)
assert np.array_equal(model.parameters, left)
assert np.array_equal(trained(), expected)
assert compiled.threads._crew(os.getpid()).board[0] == 0
""")


@POSIX
def test_ctrl_c_while_a_helper_is_woken():
    """It is put off until the helper is awake; nobody waits for ever."""
    does("""
expected, waits = trained(), []
from fastnn.kernels.networks import crew
for state, waker in list(crew._wakers.items()):
    def interrupted(waker=waker):
        waits.append(state)
        if len(waits) % 2:
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10):
                pass
        waker()
        if len(waits) % 3 == 0:
            raise KeyboardInterrupt
    crew._wakers[state] = interrupted
for _ in range(20):
    time.sleep(0.01)  # the helper goes to sleep
    try:
        trained()
        time.sleep(0.1)
    except (AssertionError, KeyboardInterrupt):
        pass
crew._wakers[state] = waker
assert len(waits) > 10
time.sleep(0.1)
assert np.array_equal(trained(), expected)
assert compiled.threads._crew(os.getpid()).board[0] == 0
""")


@POSIX
def test_ctrl_c_amid_compiling():
    """A shared function is compiled to its end before the interrupt is raised; no call fails in its stead."""
    does("""
from numba import njit
from fastnn.kernels.compiler import shared
fill, left = shared.Slot.fill, [3]
def interrupted(self):
    left[0] -= 1
    if left[0] >= 0:
        raise KeyboardInterrupt
    fill(self)
shared.Slot.fill = interrupted
try:
    kernels.relu(x)
    time.sleep(5)
except KeyboardInterrupt:
    left.append("seen")
assert left == [-1, "seen"], left
assert kernels.relu(x).max() == x.max()
""")


@POSIX
def test_ctrl_c_does_not_stop_the_compiler():
    """What compiled code waits for is not begun anew, nothing is said, and then the interrupt is raised."""
    does("""
from fastnn.kernels.compiler import shared
fill, begun = shared.Slot.fill, []
def interrupted(self):
    begun.append(self.symbol)
    if begun.count(self.symbol) == 1:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass
    fill(self)
shared.Slot.fill = interrupted
model = network()
try:
    assert model.fit(x, y, epochs=1000, batch_size=64, verbose=0).interrupted
except KeyboardInterrupt:
    pass
assert 0 < len(begun) == len(set(begun)), begun
shared.Slot.fill = fill
model.fit(x, y, epochs=1, batch_size=64, verbose=0)
""")


@POSIX
def test_ctrl_c_before_a_last_batch_of_few():
    """It waits where compiled code asks for functions that the batches before had no need of, and is not lost there."""
    does("""
compiled.SECONDS = 10  # all batches but the first in one call
n, batch = 3_000_000, 300
x, y = np.zeros((n + 5, 4), np.float32), np.zeros(n + 5, int)
model = fastnn.Sequential(fastnn.Dense(32, "tanh"), fastnn.Dense(5), input_shape=4)
steps = compiled.Trainer._steps
def watched(self, lead, x, y, order, begin, end):
    if end * batch > n:
        threading.Timer(0.002, os.kill, (os.getpid(), signal.SIGINT)).start()
    return steps(self, lead, x, y, order, begin, end)
compiled.Trainer._steps = watched
history = model.fit(x, y, epochs=3, batch_size=batch, verbose=0)
assert history.interrupted and "loss" not in history
""")


@POSIX
def test_ctrl_c_amid_the_compiler():
    """It is raised behind it: Numba would go on with lists that it has read half of."""
    does(
        """
def interrupt(frame, event, argument):
    if frame.f_code.co_name == "stream_list":
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)
sys.setprofile(interrupt)
try:
    kernels.relu(x)
    time.sleep(5)
except KeyboardInterrupt:
    pass
assert sys.getprofile() is None
assert kernels.softmax_cross_entropy(x, y) > 0
trained()
""",
        FASTNN_CACHE_DIR="",
    )


@POSIX
def test_ctrl_c_behind_an_error():
    """It is raised where a call that put it off ends with an error, and the error is what it was raised amid."""
    does("""
from fastnn.kernels.compiler.interrupts import until_it_returns
try:
    with until_it_returns():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("a call's own")
except KeyboardInterrupt as interrupt:
    assert isinstance(interrupt.__context__, ValueError)
else:
    raise AssertionError("lost")
""")
