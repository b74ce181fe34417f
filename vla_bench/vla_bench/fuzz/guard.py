"""Calls that must come back: an endless loop is an exception like any other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LONGEST_CALL_S = 30.0
"""Of processor time. Compiling a kernel at its first use takes some seconds."""


class NeverReturns(Exception):
    """A call took longer than it may."""


def _stop(*_: Any) -> None:
    raise NeverReturns(f"still running after {LONGEST_CALL_S:g} s of processor time")


@contextmanager
def guarded() -> Iterator[None]:
    """Within it, ``limited`` calls are stopped. Does nothing outside the main thread, which alone gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def limited(function: Callable[..., Any], *arguments: Any) -> Any:
    """The call's result. Raises NeverReturns where it takes too long within ``guarded``."""
    if signal.getsignal(signal.SIGVTALRM) is not _stop:
        return function(*arguments)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_CALL_S)
    try:
        return function(*arguments)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
