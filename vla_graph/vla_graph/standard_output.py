"""What to do when nobody takes our output any more: a closed pipe, a full disk."""

from __future__ import annotations

import os
import select
import sys


def reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):  # replaced by something that is no file
        return False


def silence() -> None:
    """Sends what is still to be written nowhere, so that Python does not fail over it once more at its end."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def flush_or_silence() -> None:
    """Writes what is still to be written; where that cannot be done, drops it."""
    try:
        sys.stdout.flush()
    except OSError:
        silence()
