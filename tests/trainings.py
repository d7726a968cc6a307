"""A training that two threads share, in a process of its own, which ends by itself with every thread's stack if it hangs."""

import os

import pytest
from processes import run

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks and signals to oneself are POSIX's")

# A network whose steps two threads share, and what training it gives.
PRELUDE = """
import faulthandler
faulthandler.dump_traceback_later(300, exit=True)
import os, signal, sys, threading, time, warnings
import numpy as np
import fastnn
from fastnn import compiled, jit, kernels, verify
warnings.simplefilter("ignore", DeprecationWarning)  # Python's word on a fork beside threads, which this is about
fastnn.set_num_threads(2)
compiled.SMALL = 0

def network(seed=0):
    return fastnn.Sequential(fastnn.Dense(16, "tanh"), fastnn.Dense(3), input_shape=4, seed=seed)

x = np.random.default_rng(0).uniform(-1, 1, (4096, 4)).astype(np.float32)
y = np.arange(4096) % 3

def trained(seed=0, epochs=3):
    model = network(seed)
    assert not model.fit(x, y, epochs=epochs, batch_size=2048, verbose=0).interrupted
    return model.parameters

def at_once(work, threads):
    everyone, begin, wrong = [], threading.Barrier(threads), []
    def run(number):
        begin.wait()
        try:
            work(number)
        except BaseException as error:
            wrong.append(error)
    everyone = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    [thread.start() for thread in everyone]
    [thread.join() for thread in everyone]
    assert not wrong, wrong
"""


def does(code, *arguments, **environment):
    """The code ends well and prints `done`."""
    assert run("-c", f"{PRELUDE}\n{code}\nprint('done')", *arguments, **environment) == (0, "done\n", "")
