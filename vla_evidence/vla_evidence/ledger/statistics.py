"""Percentiles of times in nanoseconds, in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PERCENTILES = (50, 95, 99)


def percentiles_ms(values_ns: Sequence[int]) -> dict:
    """count, p50_ms, p95_ms, p99_ms, max_ms and mean_ms (linear interpolation between order statistics); None where empty."""
    names = [*(f"p{p}_ms" for p in PERCENTILES), "max_ms", "mean_ms"]
    if not len(values_ns):
        return {"count": 0, **dict.fromkeys(names)}
    ns = np.asarray(values_ns, dtype=np.int64)
    numbers = [*np.percentile(ns, PERCENTILES), ns.max(), ns.mean()]
    return {"count": len(ns), **{name: round(float(v) / 1e6, 4) for name, v in zip(names, numbers)}}


def histogram_ms(values_ns: Sequence[int], bins: int = 40) -> dict:
    """edges_ms (N + 1) and counts (N), in at most bins + 1 bins of whole milliseconds; both empty without values."""
    if not len(values_ns):
        return {"edges_ms": [], "counts": []}
    ms = np.asarray(values_ns, dtype=np.int64) // 1_000_000
    first, width = int(ms.min()), max(1, -(-int(ms.max() - ms.min() + 1) // bins))
    counts = np.bincount((ms - first) // width)
    return {"edges_ms": [first + width * k for k in range(len(counts) + 1)], "counts": [int(c) for c in counts]}
