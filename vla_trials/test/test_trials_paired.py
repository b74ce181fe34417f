"""McNemar, power, intervals and agreement against hand calculation, enumeration and simulation."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from vla_evidence.statistics.paired import (
    Pairs,
    StatisticsError,
    compare,
    difference_interval,
    mcnemar_p,
    pair,
    plan,
    power,
    trials_needed,
)
from vla_trials.trials.agreement import Scored, agreement, mean_maximum_rank_violation, pearson, read_scored
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.scores import share, success_figures


@pytest.mark.parametrize(("first", "second", "p"), [(5, 0, 0.0625), (6, 0, 0.03125), (1, 9, 22 / 1024), (4, 4, 1.0)])
def test_mcnemar_by_hand(first, second, p):
    assert mcnemar_p(first, second) == pytest.approx(p)
    assert mcnemar_p(second, first) == pytest.approx(p)


def test_mcnemar_without_discordant_pairs():
    assert mcnemar_p(0, 0) == 1.0


def test_power_is_that_of_simulated_experiments():
    rng = np.random.default_rng(1)
    n, effect, discordance = 60, 0.2, 0.3
    found = 0
    for _ in range(1500):
        first, second, _ = rng.multinomial(n, [0.25, 0.05, 0.70])
        found += first + second > 0 and binomtest(int(first), int(first + second)).pvalue < 0.05
    assert power(n, effect, discordance) == pytest.approx(found / 1500, abs=0.035)


@pytest.mark.parametrize(
    ("n", "effect", "discordance", "alpha"),
    [(12, 0.4, 0.6, 0.05), (20, 0.5, 0.5, 0.05), (9, 0.2, 0.9, 0.05), (9, 0.2, 0.9, 0.0625), (7, 0.5, 0.8, 0.125)],
)
def test_power_is_that_of_all_outcomes_counted(n, effect, discordance, alpha):
    """first, second: pairs won by either; the test finds a difference where its p-value is at most alpha: 1 / 16 by 5 to 0."""
    better, worse, found = (discordance + effect) / 2, (discordance - effect) / 2, 0.0
    for first in range(n + 1):
        for second in range(n + 1 - first):
            same = n - first - second
            ways = math.factorial(n) / (math.factorial(first) * math.factorial(second) * math.factorial(same))
            chance = ways * better**first * worse**second * (1 - discordance) ** same
            found += chance * (mcnemar_p(first, second) <= alpha + 1e-12)
    assert power(n, effect, discordance, alpha) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("n", [400, 401])
def test_power_of_many_pairs_is_that_of_all_ways_in_which_they_can_be_won(n):
    """Every pair is discordant. In so many one more win changes the p-value by little."""
    found = [math.comb(n, k) * 0.55**k * 0.45 ** (n - k) for k in range(n + 1) if mcnemar_p(k, n - k) <= 0.05]
    assert power(n, 0.1, 1.0) == pytest.approx(sum(found), abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_an_alpha_that_cannot_be(alpha):
    with pytest.raises(StatisticsError, match=f"alpha {alpha}: allowed is above 0 and below 1"):
        power(20, 0.2, 0.3, alpha)


def test_power_under_equal_policies_would_stay_below_alpha():
    assert power(200, 1e-9, 0.3) < 0.05


def test_trials_needed_have_the_power_and_fewer_do_not():
    needed = trials_needed(0.1, 0.3)
    connor = (1.959964 * math.sqrt(0.3) + 0.841621 * math.sqrt(0.29)) ** 2 / 0.01
    assert connor == pytest.approx(233.1, abs=0.1)
    assert connor < needed < 1.12 * connor, "the exact test is a little weaker than the approximation"
    assert power(needed, 0.1, 0.3) >= 0.8 > power(needed - 12, 0.1, 0.3)
    assert trials_needed(0.2, 0.3) < needed / 3


@pytest.mark.parametrize(("effect", "needed"), [(0.5, 35), (0.4, 54)])
def test_the_trials_needed_are_the_first_of_ten_sizes_in_a_row_with_the_power(effect, needed):
    """Where every pair is discordant: the sign test, with each pair won by the better one in (1 + effect) / 2 of cases."""
    wins, has = (1 + effect) / 2, {}
    for n in range(needed - 4, needed + 10):
        chances = [math.comb(n, k) * wins**k * (1 - wins) ** (n - k) for k in range(n + 1)]
        has[n] = sum(chance for k, chance in enumerate(chances) if binomtest(k, n).pvalue <= 0.05) >= 0.8
    assert has[needed - 2] and not has[needed - 1], "fewer have it now and then"
    assert all(has[n] for n in range(needed, needed + 10)) and trials_needed(effect, 1.0) == needed


def test_no_more_trials_are_asked_for_than_it_takes_where_every_discordant_pair_goes_one_way():
    """Eight to nothing is found at alpha 0.01, and seven to nothing is not: eight of n pairs have to be discordant."""
    assert mcnemar_p(8, 0) < 0.01 < mcnemar_p(7, 0)
    few = {n: sum(math.comb(n, k) * 0.1**k * 0.9 ** (n - k) for k in range(8)) for n in (115, 116)}
    assert few[115] > 0.1 >= few[116]
    assert trials_needed(0.1, 0.1, alpha=0.01, wanted=0.9) == 116


@pytest.mark.parametrize("wanted", [0.0, 1.0, 1.2])
def test_a_power_that_cannot_be_wanted(wanted):
    with pytest.raises(StatisticsError, match=f"power {wanted}: allowed is above 0 and below 1"):
        trials_needed(0.2, 0.3, wanted=wanted)


@pytest.mark.parametrize(
    ("effect", "discordance", "words"),
    [
        (0.0, 0.3, "effect 0.0: allowed is above 0 and below 1"), (1.0, 1.0, "effect 1.0: allowed is above 0 and below 1"),
        (0.4, 0.3, "allowed are 0.4"), (0.4, 1.1, r"discordance 1.1: allowed are 0.4 \(the effect\) to 1"),
        (0.01, 0.9, "more than"),
    ],
)
def test_plans_that_cannot_be(effect, discordance, words, monkeypatch):
    monkeypatch.setattr("vla_evidence.statistics.paired.MOST_TRIALS", 500)
    with pytest.raises(StatisticsError, match=words):
        trials_needed(effect, discordance)


def test_plan_tells_what_the_trials_asked_for_are_worth():
    planned = plan(0.3, 0.4, asked=20)
    assert planned["trials_asked"] == 20 and planned["trials_needed"] > 20
    assert planned["power_asked"] == pytest.approx(power(20, 0.3, 0.4), abs=1e-4)


def test_unknown_is_never_scored():
    first = {("pick", 1): True, ("pick", 2): None, ("pick", 3): False, ("pick", 9): True}
    second = {("pick", 1): False, ("pick", 2): True, ("pick", 3): None, ("stack", 9): True}
    pairs = pair(first, second)
    assert (pairs.count, pairs.first, pairs.unknown, pairs.unpaired) == (1, 1, 2, 2)
    figures = success_figures([True, None, False, None])
    assert (figures["trials"], figures["successes"], figures["rate"], figures["unknown"]) == (4, 1, 0.5, 2)
    assert success_figures([None, None])["rate"] is None
    with pytest.raises(StatisticsError, match="nothing to compare"):
        compare(pair({("pick", 1): None}, {("pick", 1): True}), ("a", "b"))
    assert share(0, 0)["interval"] is None


def test_verdicts():
    assert compare(Pairs(50, 12, 2, 6), ("a", "b"))["verdict"] == "a is better than b"
    assert compare(Pairs(50, 2, 12, 6), ("a", "b"))["verdict"] == "b is better than a"
    undecided = compare(Pairs(80, 5, 1, 4), ("a", "b"))
    assert (undecided["discordant"], undecided["unknown"], undecided["unpaired"]) == (6, 0, 0)
    assert undecided["verdict"] == "cannot tell" and undecided["mcnemar_exact_p"] == pytest.approx(0.21875)
    assert undecided["difference"] == pytest.approx(4 / 90)
    json.dumps(undecided)


def test_difference_interval_is_symmetric_and_honest_at_the_edge():
    low, high = difference_interval(Pairs(40, 12, 3, 5))
    mirrored = difference_interval(Pairs(40, 3, 12, 5))
    assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]))
    assert low < 9 / 60 < high
    low, high = difference_interval(Pairs(20, 0, 0, 0))
    assert -0.25 < low < 0 < high < 0.25, "twenty successes each prove no equality"


def test_difference_interval_covers_the_truth():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(800):
        low, high = difference_interval(Pairs(*(int(x) for x in rng.multinomial(60, [0.55, 0.2, 0.08, 0.17]))))
        covered += low <= 0.12 <= high
    assert 0.93 <= covered / 800 <= 0.985


def test_mmrv_on_a_worked_example():
    # Reference 0.9, 0.6, 0.5, 0.1; the other setup swaps the second and third, and puts the last one first of all.
    reference, other = [0.9, 0.6, 0.5, 0.1], [0.7, 0.3, 0.4, 0.8]
    # Policy 0 is wrong against 3: 0.8. 1: against 2 (0.1) and 3 (0.5). 2: against 1 (0.1) and 3 (0.4). 3: against 0: 0.8.
    assert mean_maximum_rank_violation(reference, other) == pytest.approx((0.8 + 0.5 + 0.4 + 0.8) / 4)
    assert mean_maximum_rank_violation(reference, [0.5, 0.4, 0.3, 0.2]) == 0.0
    assert mean_maximum_rank_violation([0.5, 0.5], [0.9, 0.1]) == 0.0, "a tie in the reference costs nothing"


def test_pearson():
    assert pearson([0.1, 0.5, 0.9], [0.2, 0.4, 0.6]) == pytest.approx(1.0)
    assert pearson([0.1, 0.5, 0.9], [0.3, 0.2, 0.7]) == pytest.approx(
        np.corrcoef([0.1, 0.5, 0.9], [0.3, 0.2, 0.7])[0, 1]
    )
    assert math.isnan(pearson([0.1, 0.5], [0.4, 0.4]))


def scored(policy, setup, rate, asked=("held_out", "", ())):
    return Scored(f"{policy}_{setup}.json", policy, setup, asked, 10, rate)


def test_agreement_of_two_setups():
    results = [
        scored(p, s, r) for s, rates in (("other", (0.6, 0.2)), ("standard", (0.9, 0.4))) for p, r in zip("ab", rates)
    ]
    figures = agreement([*results, scored("c", "other", 0.1)])
    assert figures["setups"] == ["standard", "other"] and figures["left_out"] == ["c"]
    assert figures["policies"][0]["rates"] == [0.9, 0.6]
    assert (figures["pearson_r"], figures["mmrv"]) == (1.0, 0.0)
    flat = agreement([scored(p, s, 0.5) for s in ("other", "standard") for p in "ab"])
    assert flat["pearson_r"] is None


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([scored("a", "other", 0.1), scored("b", "other", 0.2)], "between two setups, these are of: other"),
        ([scored("a", "other", 0.1), scored("a", "standard", 0.2)], "1 policies"),
        (
            [scored("a", "other", 0.1), scored("a", "other", 0.2), scored("a", "standard", 0.2)],
            "is also in a_other.json",
        ),
        ([scored("a", "other", 0.1), scored("a", "standard", 0.2, ("train", "", ()))], "other tasks, seeds"),
    ],
)
def test_agreement_that_would_mean_nothing(results, words):
    with pytest.raises(TrialsError, match=words):
        agreement(results)


def test_agreement_reads_summaries_and_leaves_unknown_out(tmp_path):
    rows = [{"task": "pick", "seed": seed, "success": success} for seed, success in enumerate((True, False, None))]
    summary = {"policy": "a", "setup": "other", "split": "", "perturbation": "", "rows": rows}
    (tmp_path / "eval.json").write_text(json.dumps(summary))
    one = read_scored(tmp_path)
    assert (one.trials, one.rate, one.setup) == (2, 0.5, "other")
    (tmp_path / "eval.json").write_text("[]")
    with pytest.raises(TrialsError, match="not a summary of `vla eval`"):
        read_scored(tmp_path)
    with pytest.raises(TrialsError, match="does not exist"):
        read_scored(tmp_path / "other.json")
