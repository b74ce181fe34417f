"""The smoothing spline and the stop: optimal, smooth, and at rest in the end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card
from curve import quintic

from vla_controller.planning.braking import Stops, rest_to_rest_duration
from vla_controller.planning.planner import smooth, smooth_within_limits, smoothing_weight
from vla_controller.planning.timeline import Timeline

STEP = 100_000_000


def knots(start, intervals, wanted, weight):
    q, v, a = smooth(start, intervals, wanted, (weight,) * len(wanted))
    return [np.concatenate([s[None], x]) for s, x in zip(start, (q, v, a))]


def cost(intervals, q, v, a, wanted, weight):
    """Integral of squared jerk, by sampling, and the distances to the wanted positions."""
    total = weight * np.sum((q[1 : 1 + len(wanted)] - wanted) ** 2)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    for k, interval in enumerate(intervals):
        T = interval * 1e-9
        for node, share in zip(nodes, weights):
            jerk = quintic(T, (q[k], v[k], a[k]), (q[k + 1], v[k + 1], a[k + 1]), T * (node + 1) / 2)[3]
            total += share * T / 2 * np.sum(jerk**2)
    return total


def a_problem(seed):
    rng = np.random.default_rng(seed)
    start = tuple(rng.normal(0, s, 2) for s in (1.0, 0.3, 1.0))
    intervals = (37_000_000, STEP, 60_000_000, 140_000_000, STEP, 80_000_000, STEP)
    wanted = start[0] + np.cumsum(rng.normal(0, 0.02, (4, 2)), axis=0)
    return start, intervals, wanted, smoothing_weight(20.0, 0.1), rng


@pytest.mark.parametrize("seed", range(4))
def test_no_other_knots_cost_less(seed):
    start, intervals, wanted, weight, rng = a_problem(seed)
    q, v, a = knots(start, intervals, wanted, weight)
    best = cost(intervals, q, v, a, wanted, weight)
    for _ in range(20):
        moved = [x.copy() for x in (q, v, a)]
        for x, size in zip(moved, (1e-4, 1e-3, 1e-2)):
            x[1:-1] += rng.normal(0, size, x[1:-1].shape)
        assert cost(intervals, *moved, wanted, weight) > best


def test_jerk_is_continuous_and_the_end_is_at_rest():
    start, intervals, wanted, weight, _ = a_problem(9)
    q, v, a = knots(start, intervals, wanted, weight)
    for k in range(1, len(intervals)):
        left = quintic(intervals[k - 1] * 1e-9, *((q[i], v[i], a[i]) for i in (k - 1, k)), intervals[k - 1] * 1e-9)
        right = quintic(intervals[k] * 1e-9, *((q[i], v[i], a[i]) for i in (k, k + 1)), 0.0)
        np.testing.assert_allclose(left[3], right[3], rtol=1e-6, atol=1e-6)
    assert not v[-1].any() and not a[-1].any()


@pytest.mark.parametrize("hertz, least, most", [(0.5, 0.995, 1.005), (1.0, 0.98, 1.005), (4.5, 0.0, 0.2)])
def test_slow_wishes_are_followed_and_jitter_is_not(hertz, least, most):
    """A sine wave comes out 1 / (1 + (w / cutoff)^6) as large, and not late."""
    t = np.arange(1, 61) * 0.1
    wanted = np.sin(2 * np.pi * hertz * t)[:, None]
    zero = np.zeros(1)
    q, _, _ = smooth((zero, zero, zero), (STEP,) * 64, wanted, (smoothing_weight(20.0, 0.1),) * 60)
    inside = slice(15, 45)
    gain = float(q[inside, 0] @ wanted[inside, 0]) / float(wanted[inside, 0] @ wanted[inside, 0])
    assert least <= gain <= most


@pytest.mark.parametrize("seed", range(5))
def test_stop_keeps_to_acceleration_and_jerk_and_ends_at_rest(seed):
    rng = np.random.default_rng(seed)
    q, v, a = rng.uniform(-1, 1, 7), rng.uniform(-2, 2, 7), rng.uniform(-7, 7, 7)
    acceleration, jerk = np.full(7, 7.5), np.full(7, 3750.0)
    stop = Stops(q, v, a, acceleration, jerk)[0]
    T = stop.duration_ns * 1e-9
    zero = np.zeros(7)
    for t in np.linspace(0, T, 200):
        _, v_t, a_t, j_t = quintic(T, (q, v, a), (stop.q_end, zero, zero), t)
        assert np.all(np.abs(a_t) <= 7.5 * (1 + 1e-6)) and np.all(np.abs(j_t) <= 3750.0)
        assert np.all(np.abs(v_t) <= np.abs(v) + np.abs(a) * T)
    assert T < 0.9


def test_rest_to_rest_duration_is_the_shortest():
    distance, limits = np.array([0.5, -0.2]), (np.array([1.0, 1.0]), np.array([3.0, 3.0]), np.array([40.0, 40.0]))
    T = rest_to_rest_duration(distance, *limits)
    zero = np.zeros(2)
    peaks = np.max(
        [np.abs(quintic(T, (zero, zero, zero), (distance, zero, zero), t)[1:]) for t in np.linspace(0, T, 1001)], axis=0
    )
    ratios = peaks / np.array(limits)
    assert ratios.max() == pytest.approx(1.0, abs=1e-3)


def test_splitting_a_motion_leaves_the_curve_as_it_was():
    start, intervals, wanted, weight, rng = a_problem(2)
    q, v, a = knots(start, intervals, wanted, weight)
    times = 5_000_000_000 + np.concatenate([[0], np.cumsum(intervals)]).astype(np.int64)
    whole = Timeline(times, q, v, a)
    cut = int(times[3]) + 41_234_567
    rest = times > cut
    split = whole.spliced(int(times[0]), cut, times[rest], q[rest], v[rest], a[rest])
    t = np.linspace(times[0], times[-1], 997).astype(np.int64)
    for one, other, tolerance in zip(whole.sample(t), split.sample(t), (1e-12, 1e-10, 1e-8)):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def test_what_takes_over_now_begins_on_one_knot_of_now():
    start, intervals, wanted, weight, _ = a_problem(5)
    q, v, a = knots(start, intervals, wanted, weight)
    times = 5_000_000_000 + np.concatenate([[0], np.cumsum(intervals)]).astype(np.int64)
    whole, now = Timeline(times, q, v, a), int(times[2]) + 12_345_678
    split = whole.spliced(now, now, times[3:], q[3:], v[3:], a[3:])
    assert split.times_ns.tolist() == [*times[:3], now, *times[3:]]
    t = np.linspace(times[0], times[-1], 97).astype(np.int64)
    np.testing.assert_allclose(whole.sample(t)[0], split.sample(t)[0], rtol=0, atol=1e-12)
    later = int(times[-1]) + STEP
    after = whole.spliced(later, later, np.array([later + STEP]), *(x[-1:] for x in (q, v, a)))
    assert after.times_ns.tolist() == [*times, later, later + STEP]


def test_knots_older_than_a_message_may_begin_are_cut_there():
    start, intervals, wanted, weight, _ = a_problem(3)
    q, v, a = knots(start, intervals, wanted, weight)
    times = 5_000_000_000 + np.concatenate([[0], np.cumsum(intervals)]).astype(np.int64)
    whole = Timeline(times, q, v, a)
    earliest = int(times[2]) + 41_234_567
    cut = whole.knots_from(int(times[1]), earliest)
    assert cut[0].tolist() == [earliest, *times[3:]]
    t = np.linspace(earliest, times[-1], 97).astype(np.int64)
    for one, other, tolerance in zip(whole.sample(t), Timeline(*cut).sample(t), (1e-12, 1e-10, 1e-8)):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)
    assert whole.times_ns[2] == times[2], "the motion itself stays as it was"
    assert whole.knots_from(int(times[2]), int(times[2]))[0].tolist() == times[2:].tolist()


@pytest.mark.parametrize("wanted", [[[0.06]], [[0.02], [0.06]], [[0.03], [0.05], [0.02]]])
def test_a_velocity_is_brought_below_its_limit_at_the_knot_before_the_last_too(wanted):
    intervals, zero, far = (STEP,) * (len(wanted) + 1), np.zeros(1), np.full(1, 1e6)
    start, weights = (zero, zero, zero), (smoothing_weight(20.0, 0.1),) * len(wanted)

    def fastest(velocity):
        *after, rounds = smooth_within_limits(
            start, intervals, np.array(wanted), weights, np.array([velocity]), far, far
        )
        q, v, a = [np.concatenate([s[None], x]) for s, x in zip(start, after)]
        ends = [((q[k], v[k], a[k]), (q[k + 1], v[k + 1], a[k + 1])) for k in range(len(intervals))]
        return max(abs(quintic(0.1, *end, t)[1][0]) for end in ends for t in np.linspace(0, 0.1, 101)), rounds

    free, rounds = fastest(1e6)
    assert rounds == 0
    kept, rounds = fastest(0.7 * free)
    assert 0.5 * free < kept <= 0.7 * free * (1 + 1e-9) and 0 < rounds < 10


def test_a_motion_is_brought_within_its_limits_wherever_it_begins():
    """By as many rounds, and to the same curve."""
    wanted, velocity, far = np.array([[0.03], [0.05], [0.02]]), np.array([0.3]), np.full(1, 1e6)
    intervals, weights = (STEP,) * 4, (smoothing_weight(20.0, 0.1),) * 3
    starts = [tuple(np.full(1, x) for x in (q, 0.1, -0.4)) for q in (-0.7, 2.4)]
    made = [smooth_within_limits(start, intervals, start[0] + wanted, weights, velocity, far, far) for start in starts]
    (q, v, a, rounds), (there, v_there, a_there, rounds_there) = made
    assert 0 < rounds == rounds_there < 10
    for one, other in ((q + 0.7, there - 2.4), (v, v_there), (a, a_there)):
        np.testing.assert_allclose(one, other, atol=1e-9)


UNCOMPILED = """
import json, sys
import numpy as np
from test_planner import plans
json.dump([plan.tolist() for plan in plans()], sys.stdout)
"""


def plans():
    """Arm messages' positions of chunks that meet box, range and speeds in joints and in the tool's space, and of a stop."""
    made = []
    for space, wish in (
        ("EE_DELTA", [0.03, 0.05, 0.0, 0.0, 0.1, 0.4]),
        ("JOINT_POSITION", [0.0, 0.5, 0.0, 0.9, 0.0, 0.0, 9.0]),
    ):
        section = arm_section()
        section["limits"] |= {
            "workspace_max": [0.45, 0.4, 0.6],
            "collision": {"self_collision": False, "table_height": None},
        }
        rig = Rig(make_card(space, arms=[section], horizon=4))
        q = np.tile(wish, (4, 1)) + (HOME if space == "JOINT_POSITION" else 0.0)
        rig.send(q, valid_for_ns=380 * MS)  # the last step in part
        rig.run(50)
        rig.take(rig.controller.on_controller_state(0, rig.names, rig.q, 1.0, rig.now))
        rig.take(rig.controller.stop(rig.now))
        made += [message.positions for message in rig.arm_messages]
    return made


def test_uncompiled_the_kernels_plan_the_same_and_reach_beyond_no_array():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environment.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", UNCOMPILED], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    uncompiled, compiled = json.loads(done.stdout), plans()
    assert len(uncompiled) == len(compiled) == 4
    for one, other in zip(uncompiled, compiled):
        np.testing.assert_allclose(one, other, atol=1e-9)
