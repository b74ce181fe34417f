"""Virtual time: what happens when, and a clock that is set meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from vla_bench.fuzz.random_cell import MS

START_NS = 1_000 * MS
"""Physical time at the beginning [ns]."""


class VirtualTime:
    """Physical time, ``now`` [ns], goes from one event to the next and never jumps. The clock that is seen is ``ahead`` of it.

    aheads: since when the clock was ahead by how much, both [ns], oldest first.
    """

    def __init__(self, ahead_ns: int) -> None:
        self.now = START_NS
        self.aheads = [(0, ahead_ns)]
        self._events: list[tuple] = []
        self._order = 0

    @property
    def ahead(self) -> int:
        """The clock minus physical time, now [ns]."""
        return self.aheads[-1][1]

    @property
    def clock(self) -> int:
        """What the clock shows now [ns]."""
        return self.now + self.ahead

    def clock_at(self, then_ns: int) -> int:
        """What it showed at a physical instant [ns]."""
        return then_ns + next(ahead for since, ahead in reversed(self.aheads) if since <= then_ns)

    def turn_clock(self, by_ns: int) -> None:
        """Sets it by so much, back where that is negative, though not below 1 ms: ROS time is not negative."""
        self.aheads.append((self.now, self.ahead + max(by_ns, MS - self.clock)))

    def at(self, when_ns: int, event: Callable, *arguments: object) -> None:
        """Something will happen at a physical instant; what is due at the same one happens in the order of these calls."""
        self._order += 1
        heapq.heappush(self._events, (int(when_ns), self._order, event, arguments))

    def step(self) -> None:
        """The next event happens."""
        self.now, _, event, arguments = heapq.heappop(self._events)
        event(*arguments)

    def run_until(self, until_ns: int) -> None:
        """All that is due by then happens, and it is then [ns]."""
        while self._events[0][0] <= until_ns:
            self.step()
        self.now = until_ns
