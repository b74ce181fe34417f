"""Two policies on the same seeds: McNemar's exact test, the difference, and how many trials it takes to see one.

Seeds on which both succeed, or both fail, say nothing about which is better. Only the discordant ones do: those on which
exactly one succeeds. If the policies are equally good, each of them is won by either with probability one half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest, norm

from vla_evidence.statistics.intervals import wilson_interval

MOST_TRIALS = 20_000
"""Where the search for a number of trials gives up."""


class StatisticsError(ValueError):
    """A comparison that cannot be made. The message names the value and what is allowed."""


@dataclass(frozen=True)
class Pairs:
    """Counts over the pairs of trials whose outcomes are both known.

    Attributes:
        both, first, second, neither: Pairs in which both policies, only the first, only the second, neither succeeded.
        unknown: Pairs left out because an outcome is UNKNOWN.
        unpaired: Trials of either policy that the other does not have.
    """

    both: int
    first: int
    second: int
    neither: int
    unknown: int = 0
    unpaired: int = 0

    @property
    def count(self) -> int:
        return self.both + self.first + self.second + self.neither


def pair(first: Mapping[tuple[str, int], bool | None], second: Mapping[tuple[str, int], bool | None]) -> Pairs:
    """Outcomes by task and seed, laid side by side; None stands for UNKNOWN."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    unknown = 0
    for key in first.keys() & second.keys():
        if first[key] is None or second[key] is None:
            unknown += 1
        else:
            counts[bool(first[key]), bool(second[key])] += 1
    return Pairs(
        counts[True, True], counts[True, False], counts[False, True], counts[False, False],
        unknown=unknown, unpaired=len(first.keys() ^ second.keys()),
    )  # fmt: skip


def mcnemar_p(first: int, second: int) -> float:
    """Two-sided exact p-value (Q. McNemar, 1947; exact: binomial with one half over the discordant pairs)."""
    return 1.0 if first + second == 0 else float(binomtest(first, first + second, 0.5).pvalue)


def difference_interval(pairs: Pairs) -> tuple[float, float]:
    """95 % interval of the first policy's rate less the second's.

    The hybrid score interval for paired proportions: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635, method 10.
    """
    e, f, g, h = pairs.both, pairs.first, pairs.second, pairs.neither
    n = pairs.count
    p1, p2 = (e + f) / n, (e + g) / n
    (l1, u1), (l2, u2) = wilson_interval(e + f, n), wilson_interval(e + g, n)
    product = (e + f) * (g + h) * (e + g) * (f + h)
    cross = e * h - f * g
    if cross > 0:
        cross = max(cross - n / 2, 0.0)
    phi = cross / math.sqrt(product) if product else 0.0
    low = math.sqrt(max(0.0, (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2))
    high = math.sqrt(max(0.0, (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2))
    return p1 - p2 - low, p1 - p2 + high


def power(trials: int, effect: float, discordance: float, alpha: float = 0.05) -> float:
    """Probability that the exact test finds a true difference.

    Args:
        effect: True difference of the rates.
        discordance: Probability that exactly one of the two succeeds on a seed; at least `effect`.

    Raises:
        StatisticsError: Values that cannot be.
    """
    _check(effect, discordance, alpha)
    counts = np.arange(trials + 1)
    # The largest number of wins of the weaker one that is still significant among k discordant pairs; -1: none is.
    # The symmetric test is significant where P(X <= x | k, 1/2) <= alpha / 2.
    edge = binom.ppf(alpha / 2, counts, 0.5).astype(int)
    edge = np.where(binom.cdf(edge, counts, 0.5) <= alpha / 2, edge, edge - 1)
    wins = (discordance + effect) / (2 * discordance)
    found = np.where(edge >= 0, binom.cdf(edge, counts, 1 - wins) + binom.cdf(edge, counts, wins), 0.0)
    return float(np.sum(binom.pmf(counts, trials, discordance) * found))


def trials_needed(effect: float, discordance: float, alpha: float = 0.05, wanted: float = 0.8) -> int:
    """Pairs of trials from which on the exact test finds a difference of `effect` with probability `wanted`.

    The search starts at the normal approximation (R. J. Connor, Biometrics 43 (1987) 207), or at fewer if that has the power
    already, and ends where ten sizes in a row have it: that of an exact test goes up and down a little from one to the next.

    Raises:
        StatisticsError: Values that cannot be, or more than `MOST_TRIALS`.
    """
    _check(effect, discordance, alpha)
    if not 0.0 < wanted < 1.0:
        raise StatisticsError(f"power {wanted}: allowed is above 0 and below 1")
    z = norm.ppf(1 - alpha / 2) * math.sqrt(discordance)
    z += norm.ppf(wanted) * math.sqrt(max(0.0, discordance - effect**2))
    first = max(1, int(0.9 * (z / effect) ** 2))
    while first <= MOST_TRIALS and power(first, effect, discordance, alpha) >= wanted:
        first = int(0.9 * first)  # the approximation asks for too many where nearly every discordant pair goes one way
    in_a_row = 0
    for trials in range(first, MOST_TRIALS):
        in_a_row = in_a_row + 1 if power(trials, effect, discordance, alpha) >= wanted else 0
        if in_a_row == 10:
            return trials - 9
    raise StatisticsError(f"effect {effect:g}: it would take more than {MOST_TRIALS} trials; ask for a larger one")


def _check(effect: float, discordance: float, alpha: float) -> None:
    if not 0.0 < effect < 1.0:
        raise StatisticsError(f"effect {effect}: allowed is above 0 and below 1")
    if not effect <= discordance <= 1.0:
        raise StatisticsError(f"discordance {discordance}: allowed are {effect:g} (the effect) to 1")
    if not 0.0 < alpha < 1.0:
        raise StatisticsError(f"alpha {alpha}: allowed is above 0 and below 1")


def plan(effect: float, discordance: float, asked: int, alpha: float = 0.05, wanted: float = 0.8) -> dict:
    """Computed before any trial: how many are needed, and what those asked for are worth. Ready for JSON."""
    return {
        "effect": effect,
        "discordance_assumed": discordance,
        "alpha": alpha,
        "power_wanted": wanted,
        "trials_needed": trials_needed(effect, discordance, alpha, wanted),
        "trials_asked": asked,
        "power_asked": round(power(asked, effect, discordance, alpha), 4),
    }


def compare(pairs: Pairs, names: tuple[str, str], alpha: float = 0.05) -> dict:
    """Test, difference and a verdict in words, ready for JSON.

    Raises:
        StatisticsError: No pair has two known outcomes.
    """
    n = pairs.count
    if n == 0:
        raise StatisticsError("no seed has a known outcome of both policies: there is nothing to compare")
    p = mcnemar_p(pairs.first, pairs.second)
    low, high = difference_interval(pairs)
    verdict = "cannot tell"
    if p <= alpha:
        better, worse = names if pairs.first > pairs.second else names[::-1]
        verdict = f"{better} is better than {worse}"
    return {
        "policies": list(names),
        "pairs": n,
        "both": pairs.both,
        "only_first": pairs.first,
        "only_second": pairs.second,
        "neither": pairs.neither,
        "discordant": pairs.first + pairs.second,
        "unknown": pairs.unknown,
        "unpaired": pairs.unpaired,
        "difference": (pairs.first - pairs.second) / n,
        "interval": [round(low, 4), round(high, 4)],
        "interval_method": "Newcombe 1998, paired, method 10, 95 %",
        "mcnemar_exact_p": p,
        "alpha": alpha,
        "verdict": verdict,
    }
