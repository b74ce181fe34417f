"""Scaling there and back, and every way in which statistics fail to be there."""

import json

import numpy as np
import pytest

from vla_contract.normalisation import STATISTICS, NormalisationError, Normaliser, Statistics

NAMES = ("x", "y", "gripper")


@pytest.fixture
def data() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.normal(5, 2, (40, 25)), rng.uniform(-3, 1, (40, 25)), rng.integers(0, 2, (40, 25))], axis=-1)


@pytest.fixture
def stats(data) -> Statistics:
    return Statistics.from_data(NAMES, data)


def test_statistics_are_taken_over_all_leading_axes(data, stats):
    rows = data.reshape(-1, 3)
    assert stats.count == 1000
    np.testing.assert_allclose(stats.mean, rows.mean(0))
    np.testing.assert_allclose(stats.std, rows.std(0))
    np.testing.assert_array_equal(stats.max, rows.max(0))
    assert np.mean(rows[:, 0] < stats.q01[0]) == pytest.approx(0.01)
    assert np.mean(rows[:, 0] > stats.q99[0]) == pytest.approx(0.01)


def test_statistics_and_what_is_made_of_them_do_not_change_afterwards(stats):
    normaliser = Normaliser(stats, "min_max")
    for array in (*(getattr(stats, key) for key in STATISTICS), normaliser.offset, normaliser.scale):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0


def test_mean_std_centres_and_scales(data, stats):
    scaled = Normaliser(stats, "mean_std").normalise(data).reshape(-1, 3)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(0), 1)


@pytest.mark.parametrize("mode, low, high", [("min_max", "min", "max"), ("quantile", "q01", "q99")])
def test_ranges_map_to_minus_one_and_one_without_clipping(stats, mode, low, high):
    normaliser = Normaliser(stats, mode)
    first, last = getattr(stats, low), getattr(stats, high)
    np.testing.assert_allclose(normaliser.normalise(first), -1)
    np.testing.assert_allclose(normaliser.normalise(last), 1)
    np.testing.assert_allclose(normaliser.normalise(last + (last - first)), 3)


@pytest.mark.parametrize("mode", ["mean_std", "min_max", "quantile"])
@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_round_trip_keeps_values_shape_and_type(data, stats, mode, dtype, tolerance):
    normaliser = Normaliser(stats, mode, identity_columns=["gripper"])
    x = data.astype(dtype)
    back = normaliser.unnormalise(normaliser.normalise(x))
    assert back.dtype == dtype and back.shape == x.shape
    np.testing.assert_allclose(back, x, atol=tolerance)


@pytest.mark.parametrize("column", [2, "gripper"])
def test_identity_columns_are_left_alone(data, stats, column):
    scaled = Normaliser(stats, "mean_std", identity_columns=[column]).normalise(data)
    np.testing.assert_array_equal(scaled[..., 2], data[..., 2])
    assert not np.allclose(scaled[..., 0], data[..., 0])


@pytest.mark.parametrize("key", ["names", *STATISTICS, "count"])
def test_a_missing_statistic_is_named(stats, key):
    content = stats.to_dict()
    del content[key]
    with pytest.raises(NormalisationError, match=f"^{key}: missing"):
        Statistics.from_dict(content)


def test_statistics_and_normaliser_survive_json(data, stats):
    normaliser = Normaliser(stats, "quantile", identity_columns=[2])
    back = Normaliser.from_dict(json.loads(json.dumps(normaliser.to_dict())))
    np.testing.assert_array_equal(back.normalise(data), normaliser.normalise(data))
    assert back.stats.count == 1000


def test_columns_are_found_by_name_and_a_column_without_statistics_is_named(stats):
    swapped = stats.select(["y", "x"])
    assert swapped.mean.tolist() == [stats.mean[1], stats.mean[0]]
    with pytest.raises(NormalisationError, match=r"^z: no statistics; they cover x, y, gripper"):
        stats.select(["x", "z"])


@pytest.mark.parametrize("mode, reason", [("mean_std", "std is 0"), ("min_max", "min and max"), ("quantile", "q01 and q99")])
def test_a_column_without_spread_is_an_error_that_names_it(mode, reason):
    stats = Statistics.from_data(("moves", "stands"), np.array([[0.0, 3.0], [1.0, 3.0]]))
    with pytest.raises(NormalisationError, match=f"^stands: {reason}"):
        Normaliser(stats, mode)
    Normaliser(stats, mode, identity_columns=["stands"])
    floored = Normaliser(stats, mode, min_scale=1e-3)
    assert floored.normalise(np.array([0.5, 3.001]))[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda s: Normaliser(s, "zscore"), "mode: 'zscore', allowed are mean_std, min_max, quantile"),
        (lambda s: Normaliser(s, "min_max", [3]), "identity column 3: allowed are 0 to 2"),
        (lambda s: Normaliser(s, "min_max", ["z"]), "identity column z: no such column; there are x, y, gripper"),
        (lambda s: Normaliser(s, "min_max").normalise(np.zeros(2)), r"array of shape \(2,\), allowed is \(\.\.\., 3\)"),
        (lambda s: Normaliser(s, "min_max").normalise(np.zeros(3, int)), "array of int64, allowed are float32 and float64"),
        (lambda s: Statistics.from_data(NAMES, np.zeros((4, 2))), r"data: shape \(4, 2\), 3 names need"),
        (lambda s: Statistics.from_data(NAMES, np.zeros((0, 3))), "data: no rows"),
        (lambda s: Statistics.from_data(("x", "x"), np.zeros((2, 2))), "names: .* not unique"),
        (lambda s: Statistics.from_data(("x",), np.array([[1.0], [np.nan]])), r"mean\[x\]: nan is not a finite number"),
        (lambda s: Statistics.from_dict({**s.to_dict(), "q99": [1.0]}), r"q99: shape \(1,\), 3 names need \(3,\)"),
        (lambda s: Statistics.from_dict({**s.to_dict(), "count": 0}), "count: 0 rows"),
    ],
)
def test_misuse_is_named(stats, make, message):
    with pytest.raises(NormalisationError, match=message):
        make(stats)
