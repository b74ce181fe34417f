import math

import numpy as np
import pytest

from vla_evidence.statistics.intervals import wilson_interval
from vla_evidence.statistics.paired import Pairs, StatisticsError, compare
from vla_evidence.statistics.paired import difference_interval as paired_interval
from vla_evidence.statistics.unpaired import compare_unpaired, difference_interval, exact_p
from vla_trials.lockstep.latency import LatencyModel


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_matches_published_values(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=6e-5)


def test_certainty_is_never_claimed():
    low, high = wilson_interval(10, 10)
    assert low < 0.75 and high == pytest.approx(1.0)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts(successes, trials):
    with pytest.raises(ValueError, match=f"successes {successes} of trials {trials}"):
        wilson_interval(successes, trials)


def test_latency_has_its_floor_and_its_median():
    rng = np.random.default_rng(0)
    model = LatencyModel(floor_s=0.02, median_s=0.05, spread=0.4)
    drawn = np.array([model.draw_ns(rng) for _ in range(4000)]) / 1e9
    assert drawn.min() > 0.02
    assert np.median(drawn) == pytest.approx(0.07, abs=0.002)


def test_constant_latency():
    rng = np.random.default_rng(0)
    assert {LatencyModel(0.1, 0.0, 0.0).draw_ns(rng) for _ in range(5)} == {100_000_000}


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_latency_that_cannot_be(value):
    with pytest.raises(ValueError, match="floor_s"):
        LatencyModel(floor_s=value)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10.
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1.0)],
)
def test_the_interval_of_an_unpaired_difference_matches_published_values(first, second, low, high):
    assert difference_interval(first, second) == pytest.approx((low, high), abs=6e-5)
    assert difference_interval(second, first) == pytest.approx((-high, -low), abs=6e-5)


def test_a_value_of_exactly_alpha_is_found_as_the_power_counts_it():
    """Five against none: two of the 32 ways in which five coins fall, 1/16."""
    five = Pairs(7, 5, 0, 3)
    assert compare(five, ("new", "old"), alpha=1 / 16)["verdict"] == "new is better than old"
    assert compare(five, ("new", "old"), alpha=0.06)["verdict"] == "cannot tell"


def test_an_unpaired_difference_is_told_only_where_the_exact_test_finds_it():
    found = compare_unpaired((18, 20), (9, 20), ("new", "old"))
    assert found["verdict"] == "new is better than old" and found["p"] < 0.01 and found["difference"] == pytest.approx(0.45)
    assert compare_unpaired((9, 20), (18, 20), ("new", "old"))["verdict"] == "old is better than new"
    assert compare_unpaired((14, 20), (11, 20), ("new", "old"))["verdict"] == "cannot tell"
    assert compare_unpaired((18, 20), (9, 20), ("new", "old"), alpha=0.001)["verdict"] == "cannot tell"
    assert exact_p((0, 12), (0, 9))[0] == exact_p((12, 12), (9, 9))[0] == 1.0


def test_the_exact_test_keeps_its_promise_whatever_the_rate():
    """Counted over all outcomes, not drawn: at equal rates a difference is told in at most 5 % of experiments."""
    trials = 8
    told = np.array([[exact_p((a, trials), (b, trials))[0] < 0.05 for b in range(trials + 1)] for a in range(trials + 1)])
    assert told.any()
    for rate in np.linspace(0.05, 0.95, 19):
        each = np.array([math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(trials + 1)])
        assert each @ told @ each <= 0.05 + 1e-9


@pytest.mark.parametrize(
    ("first", "second", "test"),
    [((3, 201), (9, 200), "Fisher's"), ((9, 200), (3, 201), "Fisher's"), ((3, 200), (9, 200), "Boschloo's")],
)
def test_the_test_that_takes_seconds_gives_way_to_fishers_on_many_trials(first, second, test):
    p, name = exact_p(first, second)
    successes, trials, all_trials = first[0] + second[0], first[1], first[1] + second[1]
    chances = [math.comb(trials, k) * math.comb(all_trials - trials, successes - k) for k in range(successes + 1)]
    fisher = sum(c for c in chances if c <= chances[first[0]]) / sum(chances)
    assert name == f"{test} exact test" and p <= fisher + 1e-9
    assert (p == pytest.approx(fisher)) == (test == "Fisher's")


def test_nothing_is_compared_with_nothing():
    with pytest.raises(StatisticsError, match="old: no run with a known outcome"):
        compare_unpaired((1, 2), (0, 0), ("new", "old"))


def test_the_paired_interval_keeps_its_promise_on_either_side():
    """Counted over all outcomes of 24 pairs: the true difference lies below it, or above it, in no more than some 2.5 % each.

    With rates near 1 the interval is lopsided: with its two sides exchanged it would miss far oftener on one of them.
    """
    pairs, first, second = 24, 0.99, 0.75
    cells = np.array([first * second, first * (1 - second), (1 - first) * second, (1 - first) * (1 - second)])
    missed = np.zeros(2)
    for both in range(pairs + 1):
        for only_first in range(pairs + 1 - both):
            for only_second in range(pairs + 1 - both - only_first):
                counts = (both, only_first, only_second, pairs - both - only_first - only_second)
                chance = math.factorial(pairs) * math.prod(p**n / math.factorial(n) for p, n in zip(cells, counts))
                low, high = paired_interval(Pairs(*counts))
                missed += chance * np.array([low > first - second, high < first - second])
    assert missed.max() < 0.04 and missed.sum() < 0.06
    assert paired_interval(Pairs(3, 9, 1, 2)) == pytest.approx([-x for x in paired_interval(Pairs(3, 1, 9, 2))[::-1]])


@pytest.mark.parametrize("counts", [(20, 5, 0, 0), (0, 0, 7, 9), (12, 0, 0, 0)])
def test_where_one_policy_never_fails_or_never_succeeds_pairs_tell_no_correlation(counts):
    both, first, second, _ = counts
    trials = sum(counts)
    unpaired = difference_interval((both + first, trials), (both + second, trials))
    assert paired_interval(Pairs(*counts)) == pytest.approx(unpaired)


def test_the_paired_interval_matches_a_published_value():
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 2635, method 10, 36 + 12 + 2 + 0 pairs."""
    assert paired_interval(Pairs(36, 12, 2, 0)) == pytest.approx((0.0569, 0.3404), abs=6e-5)
    told = compare(Pairs(36, 12, 2, 0), ("new", "old"))
    assert told["interval"] == [0.0569, 0.3404], "as many digits as are published"


@pytest.mark.parametrize(("counts", "cross"), [((53, 1, 6, 40), 2064.0), ((10, 4, 3, 2), 0.0), ((4, 7, 6, 2), -34.0)])
def test_the_correlation_of_pairs_is_corrected_for_continuity(counts, cross):
    """eh - fg less n / 2 where that is above 0, 0 where it is below n / 2 then, and as it is where it is below 0."""
    e, f, g, h = counts
    n = sum(counts)
    first, second = (e + f) / n, (e + g) / n
    phi = cross / math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    (low1, high1), (low2, high2) = wilson_interval(e + f, n), wilson_interval(e + g, n)
    below = math.sqrt((first - low1) ** 2 - 2 * phi * (first - low1) * (high2 - second) + (high2 - second) ** 2)
    above = math.sqrt((high1 - first) ** 2 - 2 * phi * (high1 - first) * (second - low2) + (second - low2) ** 2)
    assert paired_interval(Pairs(*counts)) == pytest.approx((first - second - below, first - second + above))


def test_one_run_of_a_policy_is_enough_to_compare():
    assert compare_unpaired((1, 1), (0, 3), ("new", "old"))["verdict"] == "cannot tell"
