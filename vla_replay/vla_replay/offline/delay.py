"""What waits in virtual time, and when that time begins anew: one queue and one clock for all of a replay.

Times are of the clock that the recorded nodes had [ns]. The rule for a clock that was set back:

- It was set back where it is more than SET_BACK_NS behind the newest time seen. By less, messages only came out of order,
  unless a clock itself says so (`walk.NodeTime.times`).
- A time has ended then. What waits belongs to it, and comes out at once, to the last, in order, before anything of the time
  that begins. Nothing is given another stamp, and nothing waits on into a time that it is not of.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

SET_BACK_NS = 1_000_000_000


def was_set_back(newest_ns: int, now_ns: int) -> bool:
    """Whether a clock that showed newest_ns and shows now_ns was set back."""
    return now_ns < newest_ns - SET_BACK_NS


class ReplayClock:
    """The newest time of the events so far, and how long all times together have lasted.

    Attributes:
        now_ns: The newest time since the clock began, or began anew; 0 before its first event [ns].
    """

    def __init__(self) -> None:
        self.now_ns = 0
        self._first_ns: int | None = None
        self._ended_ns = 0

    def is_set_back_by(self, event_ns: int) -> bool:
        """Whether an event at this time is of a time that begins anew; ``begin_anew`` before it is taken."""
        return was_set_back(self.now_ns, event_ns)

    def take(self, event_ns: int) -> None:
        """The time of an event; an older one moves nothing. 0: of an event before the first input, which has none."""
        if self._first_ns is None and event_ns > 0:
            self._first_ns = event_ns
        self.now_ns = max(self.now_ns, event_ns)

    def begin_anew(self) -> None:
        """The time under way has ended."""
        self._ended_ns += self._lasted_ns
        self.now_ns, self._first_ns = 0, None

    @property
    def seconds(self) -> float:
        """From first to newest event of each time, summed [s]."""
        return (self._ended_ns + self._lasted_ns) * 1e-9

    @property
    def _lasted_ns(self) -> int:
        return 0 if self._first_ns is None else self.now_ns - self._first_ns


class DelayQueue(Generic[T]):
    """Things that wait until their time has come; they come out in order of time, rank and putting in."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, T]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, due_ns: int, item: T, rank: int = 0) -> None:
        """rank: Of things that are due together, the lower comes out first."""
        self._number += 1
        heapq.heappush(self._heap, (due_ns, rank, self._number, item))

    def due(self, until_ns: int) -> Iterator[tuple[int, T]]:
        """(time [ns], thing) of all that is due at until_ns or before; what is put in meanwhile takes part."""
        while self._heap and self._heap[0][0] <= until_ns:
            due_ns, _, _, item = heapq.heappop(self._heap)
            yield due_ns, item

    def end(self) -> Iterator[tuple[int, T]]:
        """(time [ns], thing) of everything that waits: the clock was set back, or the recording is over."""
        while self._heap:
            due_ns, _, _, item = heapq.heappop(self._heap)
            yield due_ns, item
