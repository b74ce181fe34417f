"""Mean, percentile and maximum of a long stream of numbers, in memory that does not grow."""

from __future__ import annotations

import numpy as np

from vla_evidence.figures.replay import SpreadFigures

KEPT = 20_000
"""Up to so many values percentiles are exact; beyond, they are those of a random sample of this size."""


class Spread:
    """Numbers that are not finite are counted apart and left out. Deterministic by seed."""

    def __init__(self, seed: int = 0) -> None:
        self.count = 0
        self.not_finite = 0
        self._sum = self._squares = 0.0
        self._largest = -np.inf
        self._kept = np.empty(0)
        self._rng = np.random.default_rng(seed)

    def add(self, values) -> None:
        """Any shape."""
        values = np.asarray(values, dtype=np.float64).ravel()
        finite = values[np.isfinite(values)]
        self.not_finite += values.size - finite.size
        if not finite.size:
            return
        with np.errstate(over="ignore"):
            self._sum += float(finite.sum())
            self._squares += float((finite**2).sum())
        self._largest = max(self._largest, float(finite.max()))
        room = KEPT - len(self._kept)
        seen = self.count + min(room, len(finite))
        self.count += len(finite)
        if room > 0:
            self._kept = np.concatenate([self._kept, finite[:room]])
        late = finite[room:] if room > 0 else finite
        if len(late):  # reservoir sampling, algorithm R (Vitter 1985)
            places = self._rng.integers(0, seen + 1 + np.arange(len(late)))
            inside = places < KEPT
            self._kept[places[inside]] = late[inside]

    @property
    def mean(self) -> float | None:
        """None where nothing came."""
        return self._sum / self.count if self.count else None

    @property
    def rms(self) -> float | None:
        """Root of the mean square."""
        return float(np.sqrt(self._squares / self.count)) if self.count else None

    @property
    def largest(self) -> float | None:
        """The greatest value."""
        return self._largest if self.count else None

    def percentile(self, q: float) -> float | None:
        """q in 0 to 100."""
        return float(np.percentile(self._kept, q)) if self.count else None

    def figures(self) -> SpreadFigures:
        """Of all values so far."""
        p50, p95, p99 = (self.percentile(q) for q in (50, 95, 99))
        return SpreadFigures(
            count=self.count, mean=self.mean, p50=p50, p95=p95, p99=p99, max=self.largest, not_finite=self.not_finite
        )
