"""What the checker finds."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """One violation. ``amount`` is relative to the limit for derivatives, else in the quantity's own unit."""

    kind: str
    amount: float
    time_ns: int
    """Physical time in the episode [ns]."""
    chunk: int
    """Index of the chunk under way, -1 before the first."""
    detail: str = ""
