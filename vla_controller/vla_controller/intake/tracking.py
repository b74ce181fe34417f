"""Whether the measured motion is the commanded one."""

from __future__ import annotations

import numpy as np

_PATIENCE_NS = 50_000_000


class Tracking:
    """Compares what one source says with the commanded motion of the last moments. tolerance (J,) [rad]."""

    def __init__(self, tolerance: np.ndarray) -> None:
        self._tolerance = tolerance
        self.forget()

    def forget(self) -> None:
        """As before the first comparison."""
        self.error = 0.0
        self.lost = False
        self._since_ns: int | None = None

    def compare(self, stamp_ns: int, beyond: np.ndarray, joints: slice = slice(None)) -> None:
        """A joint further than its tolerance from where it was commanded to be in the last moments, for 50 ms: lost.

        beyond (J,) [rad]: how far each lies outside of that; joints: those that are looked at.
        """
        beyond = beyond[joints]
        self.error = max(0.0, float(beyond.max()))
        if np.all(beyond <= self._tolerance[joints]):
            self._since_ns = None
            return
        if self._since_ns is None:
            self._since_ns = stamp_ns
        self.lost = self.lost or stamp_ns - self._since_ns >= _PATIENCE_NS
