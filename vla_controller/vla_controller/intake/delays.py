"""How late chunks arrive."""

from __future__ import annotations

from collections import deque

import numpy as np

_WATCHED = 50


class DelayWatch:
    """The delay from observation to arrival of the last chunks, and what is allowed."""

    def __init__(self) -> None:
        self._delays: deque[int] = deque(maxlen=_WATCHED)
        self.forget()

    def add(self, delay_ns: int, bound_ns: int = 0) -> None:
        """Of one chunk more: its delay, and the longest at which it would be taken while the arm moves [ns]; 0: unknown."""
        self._delays.append(delay_ns)
        self._bound_ns = bound_ns

    def forget(self) -> None:
        """As before the first chunk: another run has delays of its own."""
        self._delays.clear()
        self._bound_ns = 0

    @property
    def p95_ns(self) -> int:
        """95th percentile [ns]; 0 before the first chunk."""
        return int(np.percentile(self._delays, 95)) if self._delays else 0

    @property
    def bound_ns(self) -> int:
        """The newest chunk's [ns]; 0: unknown."""
        return self._bound_ns
