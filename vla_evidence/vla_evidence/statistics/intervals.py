"""Intervals for success rates."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson score interval of a binomial proportion (E. B. Wilson, 1927).

    Unlike the normal approximation it stays inside [0, 1] and is honest at 0 and 100 %.

    Raises:
        ValueError: Counts that cannot be.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(
            f"successes {successes} of trials {trials}: trials must be at least 1, successes from 0 to trials"
        )
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, centre - half), min(1.0, centre + half)
