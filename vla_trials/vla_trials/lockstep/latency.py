"""Latency that the lockstep driver injects between an observation and its chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LatencyModel:
    """A shifted log-normal: a floor, and a tail above it.

    Attributes:
        floor_s: Shortest time from camera stamp to the chunk's arrival [s].
        median_s: Median of the time above the floor [s].
        spread: Standard deviation of its logarithm; 0 makes it constant.
    """

    floor_s: float = 0.03
    median_s: float = 0.03
    spread: float = 0.35

    def __post_init__(self) -> None:
        for name in ("floor_s", "median_s", "spread"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"latency {name}: {getattr(self, name)}, allowed are 0 and above")

    def draw_ns(self, rng: np.random.Generator) -> int:
        """One latency [ns]."""
        tail = self.median_s * float(np.exp(self.spread * rng.standard_normal()))
        return int((self.floor_s + tail) * 1e9)
