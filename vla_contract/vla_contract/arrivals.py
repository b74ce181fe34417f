"""What one source said, newest last: which of two things is the newer one, where stamps come late, twice, or go back."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T", bound=tuple)

BACK_IN_A_ROW = 3
"""So many that are older than the newest, one after the other and in order, are no stragglers: the clock was set back."""


class Arrivals(Generic[T]):
    """Things of one source, tuples that begin with their stamp [ns], in order of arrival and of stamps alike.

    The newest stamp is the newest thing; what comes late or again is left out. Stamps that stay back are followed: what was
    said before then is of another time, and is forgotten. But where a single one lay ahead of all that came after it, only that
    one was wrong.

    Attributes:
        kept: The newest ``most`` of them. For reading.
    """

    def __init__(self, most: int) -> None:
        self.kept: deque[T] = deque(maxlen=most)
        self._back: list[T] = []

    def clear(self) -> None:
        """Forgets everything."""
        self.kept.clear()
        self._back.clear()

    def add(self, thing: T) -> bool:
        """Whether it is taken for the newest, at once or with those before it that had stayed back, too."""
        kept, back, stamp_ns = self.kept, self._back, thing[0]
        if not kept or stamp_ns > kept[-1][0]:
            kept.append(thing)
            back.clear()
            return True
        if stamp_ns == kept[-1][0] or (back and stamp_ns == back[-1][0]):
            return False
        if back and stamp_ns < back[-1][0]:
            back.clear()
        back.append(thing)
        if len(back) < BACK_IN_A_ROW:
            return False
        self._follow_back()
        return True

    def settle(self, latest_ns: int) -> bool:
        """Nothing can be of after this instant [ns]. Whether what came since the newest, and stayed back, is followed for it."""
        if not self._back or self.kept[-1][0] <= latest_ns:
            return False
        self._follow_back()
        return True

    def _follow_back(self) -> None:
        since_ns = self._back[0][0]
        if len(self.kept) > 1 and self.kept[-2][0] < since_ns:
            self.kept.pop()
        else:
            self.kept.clear()
        self.kept.extend(self._back)
        self._back.clear()
