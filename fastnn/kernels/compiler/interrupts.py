"""Ctrl-C amid compiled code and amid the compiler, where no exception can pass, or none may: it is raised behind them."""

import _thread
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def uninterrupted(action: Callable[[], None]) -> None:
    """Do what compiled code asks of Python. It may be begun anew, but not once it is done.

    No exception passes through compiled code, so Ctrl-C is put off until it is done: `until_it_returns` raises it then or,
    without that, another thread sends it again, for here it would be raised at once.
    """
    came = Noted()
    done = False
    while True:
        try:
            if not done:
                with _put_off(came):
                    action()
                    done = True
            if came:
                _pass_on()
            return
        except KeyboardInterrupt:  # in the moment before it is put off, or behind it
            came.append(signal.SIGINT)


@contextmanager
def until_it_returns() -> Iterator[None]:
    """Around a call of the compiler, or of compiled code that may ask for it: Ctrl-C is raised behind it.

    Amid the compiler it would leave Numba's lists half read, for the rest of the process. Where compiled code begins to ask,
    it would be lost, after words of Python's about it.
    """
    came = Noted()
    try:
        with _put_off(came):
            yield
    finally:  # behind an error, too
        if came:
            _thread.interrupt_main()


class Noted(list[int]):
    """A handler that raises nothing: the signals that came."""

    def __call__(self, number: int, frame: object) -> None:
        self.append(number)


@contextmanager
def _put_off(came: Noted) -> Iterator[None]:
    """Note that Ctrl-C came, and do not raise it: amid the compiler it would be lost, or the compiler's work."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    signal.signal(signal.SIGINT, came)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _pass_on() -> None:
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, Noted):
        handler.append(signal.SIGINT)
    else:
        _thread.start_new_thread(_send_again, ())  # threading's own would wait here for its beginning


def _send_again() -> None:
    time.sleep(0.01)
    _thread.interrupt_main()
