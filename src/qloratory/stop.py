"""Ctrl-C and SIGTERM: in training a checkpoint at the step's end, elsewhere at once; the second time always at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):  # not an Exception: no library may catch it
    """The user, or the system, has asked the program to stop."""

    def __init__(self, number: int, text: str = "what was complete is kept; go on with --resume") -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; {text}")
        self.exit_code = 128 + number  # as a shell names it


class StopRequest:
    """Whether a signal has come, and which."""

    number: int | None = None


@contextmanager
def stop_at_once() -> Iterator[None]:
    """Let both signals raise `Stopped`, wherever the program is."""

    def handle(number: int) -> None:
        raise Stopped(number)

    with handler(handle):
        yield


@contextmanager
def stop_at_step_end(promise: Callable[[], str]) -> Iterator[StopRequest]:
    """Note a signal instead of obeying it, and say what will come of it.

    Args:
        promise: Says when the program will have stopped.
    """
    request = StopRequest()

    def handle(number: int) -> None:
        request.number = number
        # Not print: the signal may have come in the middle of one.
        os.write(2, f"\n{signal.Signals(number).name}: {promise()}; again to stop at once\n".encode())

    with handler(handle):
        yield request


@contextmanager
def handler(handle: Callable[[int], None]) -> Iterator[None]:
    """Install a handler for the first signal; the second one is the kernel's, which asks nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's, and its owner's
        return

    def first(number: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        handle(number)

    before = {each: signal.signal(each, first) for each in SIGNALS}
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, signal.SIG_DFL if old is None else old)
