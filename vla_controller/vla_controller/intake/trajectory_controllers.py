"""What the joint trajectory controllers say of themselves: whether they still speak, and where their set points are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vla_controller.intake.tolerances import CREEPS, SAME

SILENCE_NS = 250_000_000
"""A controller that has spoken, and says nothing for longer, is not active [ns]."""
FRESH_NS = 100_000_000
"""So old a word may be that still tells where its arm is [ns]."""
_STANDS_NS, _STAYS_NS = 100_000_000, 10_000_000


class TrajectoryControllers:
    """One entry for each arm, in the card's order. One that was never heard is not missed: older drivers are mute.

    silent: which of them have fallen silent.
    """

    def __init__(self, arms: Sequence[str]) -> None:
        self._arms = tuple(arms)
        self._heard_ns: list[int | None] = [None] * len(arms)
        self._points: list[tuple[np.ndarray, int] | None] = [None] * len(arms)
        self._stands_since_ns = [0] * len(arms)
        self._places: list[np.ndarray | None] = [None] * len(arms)
        self._place_ns = [0] * len(arms)
        self._stayed = [False] * len(arms)
        self._left_ns: list[int | None] = [None] * len(arms)
        self.silent = [False] * len(arms)

    def hear(self, arm: int, now_ns: int) -> bool:
        """A controller speaks. True: it had fallen silent, be it that nobody has noticed."""
        heard_ns, self._heard_ns[arm] = self._heard_ns[arm], now_ns
        unnoticed = not self.silent[arm] and heard_ns is not None and now_ns - heard_ns > SILENCE_NS
        if unnoticed:
            self._points[arm] = None
        spoke_again, self.silent[arm] = self.silent[arm] or unnoticed, False
        return spoke_again

    def set_point(self, arm: int, q: np.ndarray, stamp_ns: int, now_ns: int) -> None:
        """Its set point q (J,) [rad] of stamp_ns, the joints of this arm only."""
        before, place = self._points[arm], self._places[arm]
        if before is None or np.max(np.abs(q - before[0])) > SAME:
            self._stands_since_ns[arm] = now_ns
        first, left = before is None or place is None, False
        if not first:
            left = np.max(np.abs(q - place)) > CREEPS
        if first or left:
            self._places[arm], self._place_ns[arm], self._stayed[arm] = q, stamp_ns, False
            self._left_ns[arm] = now_ns if left else None
        elif stamp_ns - self._place_ns[arm] >= _STAYS_NS:
            self._stayed[arm] = True
        self._points[arm] = q, stamp_ns

    def fresh(self, now_ns: int) -> Iterator[tuple[int, np.ndarray, int]]:
        """Of each that spoke just now: arm, set point (J,) [rad], and its stamp [ns]."""
        for arm, (heard_ns, point) in enumerate(zip(self._heard_ns, self._points)):
            if point is not None and now_ns - heard_ns <= FRESH_NS:
                yield arm, *point

    def overdue(self, now_ns: int) -> str:
        """Which of them was heard before, and not just now, in words; empty: none. It may be between two words, or lost."""
        for name, heard_ns in zip(self._arms, self._heard_ns):
            if heard_ns is not None and now_ns - heard_ns > FRESH_NS:
                return f"the trajectory controller of arm {name} has said nothing for {(now_ns - heard_ns) * 1e-6:.0f} ms"
        return ""

    def stands(self, arm: int, now_ns: int) -> bool:
        """Its set point has not changed for 100 ms."""
        return now_ns - self._stands_since_ns[arm] >= _STANDS_NS

    def moves(self, arm: int, now_ns: int) -> bool:
        """Its set point has been seen to leave its place within 100 ms: not so after a first one, of which neither is known."""
        left_ns = self._left_ns[arm]
        return left_ns is not None and now_ns - left_ns < _STANDS_NS

    def unsettled(self) -> str:
        """Which of those that were heard have not shown yet, by a second word from the same place, that they stand, in words;
        empty: none."""
        for name, point, stayed in zip(self._arms, self._points, self._stayed):
            if point is not None and not stayed:
                return f"the trajectory controller of arm {name} has not shown yet that it stands"
        return ""

    def fell_silent(self, now_ns: int) -> list[str]:
        """Names of the arms whose controllers have fallen silent since the last call."""
        fallen = [
            arm for arm, heard_ns in enumerate(self._heard_ns)
            if heard_ns is not None and not self.silent[arm] and now_ns - heard_ns > SILENCE_NS
        ]  # fmt: skip
        for arm in fallen:
            self.silent[arm], self._points[arm] = True, None
        return [self._arms[arm] for arm in fallen]

    def clock_set(self, now_ns: int) -> None:
        """Set points are of another time; silence counts from now."""
        self._heard_ns = [None if heard_ns is None else now_ns for heard_ns in self._heard_ns]
        self._points = [None] * len(self._arms)

    def in_words(self) -> str:
        """Which of them are silent; empty: none is."""
        names = [name for name, silent in zip(self._arms, self.silent) if silent]
        if len(names) == 1:
            return f"the trajectory controller of arm {names[0]} has fallen silent: it is not active, or dead; activate it"
        words = "have fallen silent: they are not active, or dead; activate them"
        return f"the trajectory controllers of arms {', '.join(names)} {words}" if names else ""
