import numpy as np
import pytest

from vla_motion.spline import (
    SplineTrajectory,
    evaluate,
    evaluation_matrices,
    quintic_coefficients,
    segment_coefficients,
)
from vla_motion.spline_extrema import spline_peaks, spline_position_bounds
from vla_motion.trajectory import JointTrajectory

NS = 1_000_000_000
ORIGIN = 1_700_000_000_123_456_789


def points(seed, count=9, joints=3):
    rng = np.random.default_rng(seed)
    times = ORIGIN + np.cumsum(rng.integers(40_000_000, 150_000_000, count))
    return times, *rng.normal(size=(3, count, joints))


def test_quintic_meets_both_ends():
    rng = np.random.default_rng(1)
    ends = rng.normal(size=(6, 4))
    p0, v0, a0, p1, v1, a1 = ends
    for duration in (0.001, 0.1, 2.0):
        C = quintic_coefficients(duration, p0, v0, a0, p1, v1, a1)
        polynomials = [np.polynomial.Polynomial(column) for column in C.T]
        for order, (start, end) in enumerate(((p0, p1), (v0, v1), (a0, a1))):
            values = np.array([[p.deriv(order)(t) for p in polynomials] for t in (0.0, duration)])
            np.testing.assert_allclose(values, [start, end], atol=1e-9 / duration**order)


def test_degree_follows_from_what_both_ends_have():
    p0, p1, v, a = np.array([0.0]), np.array([1.0]), np.array([2.0]), np.array([3.0])
    line = segment_coefficients(0.5, p0, p1)
    assert line[:, 0].tolist() == [0, 2, 0, 0, 0, 0]
    assert segment_coefficients(0.5, p0, p1, v, None, a, a).tolist() == np.zeros((6, 1)).tolist()
    assert segment_coefficients(0.5, p0, p1, v, None).tolist() == line.tolist()
    cubic = segment_coefficients(0.5, p0, p1, v, v, None, a)
    assert cubic[4:].any() == 0 and cubic[3, 0] == 0  # the end velocities are the slope: a straight line
    assert (
        segment_coefficients(0.5, p0, p1, v, v, a, a)[5, 0]
        == 0
        != segment_coefficients(0.5, p0, p1, v, v, a, a)[3, 0]
    )


@pytest.mark.parametrize("fields", [1, 2, 3])
def test_curve_passes_through_its_points(fields):
    times, *values = points(fields)
    spline = SplineTrajectory(times, *values[:fields])
    for sampled, given in zip(spline.sample(times[:-1]), values[:fields], strict=False):
        np.testing.assert_allclose(sampled, given[:-1], atol=1e-9)
    for sampled, given in zip(spline.sample(times[1:] - 1), values[:fields], strict=False):
        np.testing.assert_allclose(sampled, given[1:], atol=0.01)


@pytest.mark.parametrize("fields", [1, 2, 3])
def test_velocity_and_acceleration_are_derivatives(fields):
    times, *values = points(10 + fields)
    spline = SplineTrajectory(times, *values[:fields])
    t = np.arange(times[0] + 2_000_000, times[-1] - 2_000_000, 1_000_000)
    step = 1_000
    keep = np.min(np.abs(t[:, None] - times), axis=1) > 2 * step
    before, here, after = (np.array(spline.sample(t[keep] + shift)) for shift in (-step, 0, step))
    slope = (after - before)[:2] / (2e-9 * step)
    np.testing.assert_allclose(slope[0], here[1], atol=1e-5 * np.abs(here[1]).max())
    np.testing.assert_allclose(slope[1], here[2], atol=1e-5 * np.abs(here[2]).max() + 1e-3)


def test_one_time_gives_what_many_times_give():
    times, *values = points(20)
    spline = SplineTrajectory(times, *values)
    t = np.concatenate([times, times - 1, times + 1, [times[0] - NS, times[-1] + NS, times[3] + 12_345_678]])
    together = np.array(spline.sample(t))
    for i, t_ns in enumerate(t):
        np.testing.assert_allclose(spline.sample(int(t_ns)), together[:, i], rtol=1e-10, atol=1e-12)


def test_outside_its_points_the_ends_are_held():
    times, q, v, a = points(30)
    spline = SplineTrajectory(times, q, v, a)
    before, after = spline.sample(int(times[0] - 1)), spline.sample(int(times[-1]))
    np.testing.assert_array_equal(before, [q[0], 0 * q[0], 0 * q[0]])
    np.testing.assert_array_equal(after, [q[-1], v[-1], a[-1]])  # an end velocity stays, as in the controller
    single = SplineTrajectory(times[:1], q[:1])
    np.testing.assert_array_equal(single.sample(times[:2])[0], [q[0], q[0]])


@pytest.mark.parametrize("fields", [1, 2, 3])
def test_peaks_bound_the_curve_and_are_reached(fields):
    times, *values = points(40 + fields, count=12)
    spline = SplineTrajectory(times, *values[:fields])
    velocity, acceleration, jerk = spline.peaks()
    low, high = spline.position_bounds()
    for k in range(len(times) - 1):
        t = np.linspace(0.0, spline.durations[k], 4001)[:, None]
        C = spline.coefficients[k]
        derivatives = [
            sum(C[n] * np.prod(np.arange(n, n - order, -1.0)) * t ** (n - order) for n in range(order, 6))
            for order in range(4)
        ]
        for dense, peak in zip(derivatives[1:], (velocity, acceleration, jerk), strict=True):
            dense = np.abs(dense).max(axis=0)
            assert np.all(dense <= peak[k] * (1 + 1e-9) + 1e-9)
            assert np.all(dense >= peak[k] * (1 - 1e-5) - 1e-9)
        np.testing.assert_allclose(derivatives[0].max(axis=0), high[k], atol=2e-5)
        np.testing.assert_allclose(derivatives[0].min(axis=0), low[k], atol=2e-5)
        assert np.all(derivatives[0] <= high[k] + 1e-12) and np.all(derivatives[0] >= low[k] - 1e-12)


def test_extremes_of_a_cubic_are_exact():
    # t^3 / 6 - t^2 / 6 + v t: slowest at 1/3, where the speed is v - 1/18
    C = np.zeros((1, 6, 3))
    C[0, 1] = 0.0, -1.0, 1 / 18 - 0.5
    C[0, 2], C[0, 3] = -1 / 6, 1 / 6
    velocity, acceleration, jerk = spline_peaks(C, np.ones(1))
    np.testing.assert_allclose(velocity[0], [1 / 6, 1 + 1 / 18, 0.5], rtol=1e-14)
    np.testing.assert_allclose(acceleration[0], 2 / 3, rtol=1e-14)
    np.testing.assert_allclose(jerk[0], 1.0, rtol=1e-14)
    low, high = spline_position_bounds(C, np.ones(1))
    np.testing.assert_allclose([low[0, 0], high[0, 0]], [-2 / 81, 0.0], rtol=1e-14)  # slowest again at 2/3


def test_a_product_with_the_matrix_is_the_polynomial_and_its_derivatives():
    C = np.random.default_rng(50).normal(size=(3, 6, 2))
    matrices = evaluation_matrices(C)
    for segment, t in ((0, 0.3), (2, 1.7)):
        polynomials = [np.polynomial.Polynomial(column) for column in C[segment].T]
        expected = [[p.deriv(order)(t) for p in polynomials] for order in range(3)]
        np.testing.assert_allclose(evaluate(matrices[segment], t), expected, rtol=1e-12)


def test_from_a_message():
    message = JointTrajectory("arm", 5 * NS, ("a", "b"), [0, NS], [[0.0, 1.0], [2.0, 3.0]])
    spline = SplineTrajectory.from_trajectory(message)
    assert (spline.start_ns, spline.end_ns) == (5 * NS, 6 * NS)
    np.testing.assert_allclose(spline.sample(5 * NS + NS // 4)[0], [0.5, 1.5])
    assert SplineTrajectory.from_trajectory(message, 0).end_ns == NS


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="point 2 at 10 ns is not later than point 1 at 10 ns"):
        SplineTrajectory([0, 10, 10], np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"velocities has shape \(2, 2\)"):
        SplineTrajectory([0, 10, 20], np.zeros((3, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="at least one point"):
        SplineTrajectory([], np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"accelerations has shape \(2, 3\), allowed is \(2, 2\)"):
        JointTrajectory("arm", 0, ("a", "b"), [0, 1], np.zeros((2, 2)), None, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="allowed are integers"):
        JointTrajectory("arm", 0, ("a",), [0.0, 0.1], np.zeros((2, 1)))
    empty = JointTrajectory("arm", 0, ("a",), [], np.zeros((0, 1)))
    assert len(empty) == 0 and empty.duration_ns == 0


def test_the_coefficients_of_knots_are_to_the_bit_those_of_the_formula():
    times, q, v, a = points(50, count=20, joints=7)
    durations = np.diff(times)[:, None] * 1e-9
    formula = quintic_coefficients(durations, q[:-1], v[:-1], a[:-1], q[1:], v[1:], a[1:])
    for knots in (q, np.asfortranarray(q), np.lib.stride_tricks.as_strided(q, q.shape, q.strides, writeable=False)):
        np.testing.assert_array_equal(SplineTrajectory(times, knots, v, a).coefficients, np.moveaxis(formula, 0, 1))
