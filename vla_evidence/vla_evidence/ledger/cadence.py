"""How regularly something comes, against what the card says of it."""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np

from vla_evidence.ledger.statistics import percentiles_ms

LATE = 1.5
"""An interval this many times the expected one counts as late."""


class Cadence:
    """Intervals between the stamps of one stream.

    Args:
        expected_ns: Interval that the card, or the policy's replanning, asks for [ns]; None: neither says.
        limit_ns: Longest interval that the card bears [ns]; None: none.
        window_ns: Only intervals heard within this time are kept [ns]; None: all (8 bytes each).
    """

    def __init__(
        self, expected_ns: int | None = None, limit_ns: int | None = None, window_ns: int | None = None
    ) -> None:
        self.expected_ns, self.limit_ns = expected_ns, limit_ns
        self._window_ns = window_ns
        self._intervals = array("q")
        self._recent: deque[tuple[int, int]] = deque()
        self._last_ns: int | None = None
        self.count = self.repeated = self.set_back = 0

    def add(self, stamp_ns: int, heard_ns: int) -> None:
        """One message. Stamps that stand still or go back are counted, and give no interval."""
        self.count += 1
        last, self._last_ns = self._last_ns, stamp_ns
        if last is not None and stamp_ns == last:
            self.repeated += 1
        elif last is not None and stamp_ns < last:
            self.set_back += 1
        elif last is not None and self._window_ns is None:
            self._intervals.append(stamp_ns - last)
        elif last is not None:
            self._recent.append((heard_ns, stamp_ns - last))
        self.drop_before(heard_ns)

    def begin_anew(self) -> None:
        """The next stamp follows no other: another run."""
        self._last_ns = None

    def drop_before(self, now_ns: int) -> None:
        """Forgets what is older than the window."""
        while self._recent and self._recent[0][0] < now_ns - (self._window_ns or 0):
            self._recent.popleft()

    def as_dict(self) -> dict:
        """See ledger.py, "cadence"."""
        ns = np.array([i for _, i in self._recent] if self._window_ns is not None else self._intervals, dtype=np.int64)
        total = int(ns.sum())
        expected = self.expected_ns
        absent = np.maximum(np.rint(ns / expected).astype(np.int64) - 1, 0) if expected else np.zeros(0, dtype=np.int64)
        return {
            "messages": self.count,
            "rate_hz": round(len(ns) / (total / 1e9), 3) if total else None,
            "expected_hz": round(1e9 / expected, 3) if expected else None,
            "interval": percentiles_ms(ns),
            "late": int((ns > LATE * expected).sum()) if expected else None,
            "absent": int(absent.sum()) if expected else None,
            "limit_ms": self.limit_ns / 1e6 if self.limit_ns else None,
            "beyond_limit": int((ns > self.limit_ns).sum()) if self.limit_ns else None,
            "repeated": self.repeated,
            "set_back": self.set_back,
        }
