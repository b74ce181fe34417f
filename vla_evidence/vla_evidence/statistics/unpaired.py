"""Two policies on runs that do not pair, as on a real arm: an exact test, and the difference of the rates with an interval.

Nothing here knows that one scene was harder than another. Pairing by seed, where it can be had, tells more (`paired.py`).
"""

from __future__ import annotations

import math

from scipy.stats import boschloo_exact, fisher_exact

from vla_evidence.statistics.intervals import wilson_interval
from vla_evidence.statistics.paired import StatisticsError

MOST_FOR_BOSCHLOO = 400
"""Trials of both together from which Fisher's test takes the place of Boschloo's, which takes seconds there and says the same."""


def exact_p(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, str]:
    """Two-sided exact p-value for equal rates of (successes, trials), and the name of the test.

    R. D. Boschloo, Statistica Neerlandica 24 (1970) 1: never less powerful than Fisher's exact test.
    """
    table = [[successes, trials - successes] for successes, trials in (first, second)]
    if first[1] + second[1] > MOST_FOR_BOSCHLOO:
        return float(fisher_exact(table).pvalue), "Fisher's exact test"
    if first[0] + second[0] in (0, first[1] + second[1]):  # all failed, or none: nothing speaks for a difference
        return 1.0, "Boschloo's exact test"
    return min(1.0, float(boschloo_exact(table).pvalue)), "Boschloo's exact test"


def difference_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the first rate less the second; each is (successes, trials).

    The hybrid score interval: R. G. Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    """
    p1, p2 = (successes / trials for successes, trials in (first, second))
    (l1, u1), (l2, u2) = wilson_interval(*first), wilson_interval(*second)
    return p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)


def compare_unpaired(
    first: tuple[int, int], second: tuple[int, int], names: tuple[str, str], alpha: float = 0.05
) -> dict:
    """Test, difference and a verdict in words.

    Args:
        first, second: Successes and trials with a known outcome.
        names: Of the two, for the verdict.
        alpha: Probability of a wrong verdict where the two are equally good.

    Raises:
        StatisticsError: One of them has no trial.
    """
    for name, (_, trials) in zip(names, (first, second), strict=True):
        if trials < 1:
            raise StatisticsError(f"{name}: no run with a known outcome: there is nothing to compare")
    p, test = exact_p(first, second)
    low, high = difference_interval(first, second)
    difference = first[0] / first[1] - second[0] / second[1]
    verdict = "cannot tell"
    if p <= alpha:
        better, worse = names if difference > 0 else names[::-1]
        verdict = f"{better} is better than {worse}"
    return {
        "first": first, "second": second, "difference": difference, "low": low, "high": high,
        "method": "Newcombe 1998, unpaired, method 10, 95 %", "test": test, "p": p, "alpha": alpha, "verdict": verdict,
    }  # fmt: skip
