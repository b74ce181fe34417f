"""Two clocks of one computer, read together."""

from __future__ import annotations

from collections.abc import Callable

_TOGETHER_NS = 2_000_000
_READINGS = 5


def clock_lead_ns(clock: Callable[[], int], steady: Callable[[], int]) -> int | None:
    """The first clock minus the second [ns], to a millisecond; None where this computer was too busy to read them together.

    Between two readings a process may lose the processor for longer than what is to be told: such a reading is made again.
    """
    for _ in range(_READINGS):
        before = steady()
        now = clock()
        after = steady()
        if after - before < _TOGETHER_NS:
            return now - (before + after) // 2
    return None
