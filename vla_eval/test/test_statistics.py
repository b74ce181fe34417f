import math

import numpy as np
import pytest

from vla_eval.latency import LatencyModel
from vla_eval.statistics import wilson_interval


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
