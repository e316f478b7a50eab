"""Ctrl-C and SIGTERM: in training a checkpoint at the step's end, elsewhere at once; the second time always at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.1


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
    """Let both signals raise `Stopped`, wherever the program is.

    Python swallows what is raised within a destructor, so it is raised again until it is on its way.
    """

    def handle(number: int) -> None:
        def again(_number: int, _frame: FrameType | None) -> None:
            if not isinstance(sys.exception(), Stopped):  # else it is, and things are being put in order
                raise Stopped(number)

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
        raise Stopped(number)

    def tell(swallowed: "sys.UnraisableHookArgs") -> None:
        if not issubclass(swallowed.exc_type, Stopped):
            before(swallowed)

    before, sys.unraisablehook = sys.unraisablehook, tell
    try:
        with handler(handle):
            yield
    except Stopped:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise
    finally:
        sys.unraisablehook = before


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
