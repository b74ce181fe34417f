"""Whole control cycles, against the numbers of the original controller."""

import dataclasses

import jtc_reference as reference
import numpy as np
import pytest

from vla_motion.trajectory import JointTrajectory
from vla_sim.jtc import JointTrajectoryEndpoint
from vla_sim.jtc_message import JtcParameters

BASE_NS = reference.CONTENT["controller"]["base_time_ns"]
RUNS = [
    pytest.param(scenario, run, id=f"{scenario['id']}-{run['variant']}-{run['interpolate_from_desired_state']}")
    for scenario in reference.CONTENT["controller"]["scenarios"]
    for run in scenario["runs"]
]


@pytest.mark.parametrize(("scenario", "run"), RUNS)
def test_cycles_are_those_of_the_original(scenario, run):
    parameters = dict(scenario["parameters"])
    has_velocity = "velocity" in parameters.pop("state_interfaces", ["position", "velocity"])
    period_ns = 1_000_000_000 // scenario["update_rate_hz"]
    endpoint = JointTrajectoryEndpoint(
        scenario["joints"],
        period_ns,
        reference.RULES[run["variant"]],
        run["interpolate_from_desired_state"],
        JtcParameters(**parameters, goal_tolerance=0.05),
    )
    expected = dict(zip(scenario["checked_cycles"], reference.block(run["block"]), strict=True))
    marks = {mark["cycle"]: mark for mark in run["marks"]}
    position = np.array(scenario["first_position"])
    velocity = np.zeros_like(position)
    before_ns = None
    for cycle, now_ns in enumerate(reference.cycle_times(scenario)):
        for event in (event for event in scenario["events"] if event["cycle"] == cycle):
            if event["kind"] == "scaling":
                endpoint.speed_scaling = event["factor"]
                continue
            submit = endpoint.submit_goal if event["kind"] == "goal" else endpoint.submit
            assert bool(submit(reference.message(event["message"]), now_ns)) == marks[cycle]["accepted"]
        elapsed = period_ns if before_ns is None or scenario["period_argument"] == "nominal" else now_ns - before_ns
        before_ns = now_ns
        command = endpoint.update(now_ns, elapsed, position, velocity if has_velocity else None)
        if cycle in marks:
            assert [point.time_ns for point in endpoint.active_message.points] == marks[cycle]["times_ns"]
        if cycle in expected:
            row = expected[cycle]
            value = np.concatenate([*endpoint.desired, command[0]])
            assert reference.difference(value, row[:-3]) < reference.TOLERANCE, f"cycle {cycle}"
            clock = (endpoint.trajectory_time_ns - BASE_NS, (endpoint.trajectory_start_ns or 0) - BASE_NS)
            assert (*clock, endpoint.holding) == tuple(row[-3:]), f"cycle {cycle}"
        if scenario["plant"] == "perfect":
            position, velocity = command[0], np.nan_to_num(command[1])
        else:
            moved = position + 0.15 * (command[0] - position)
            position, velocity = moved, (moved - position) / (period_ns * 1e-9)


def chunk(stamp_ns=0, joints=("a", "b")):
    return JointTrajectory(
        "arm/joint_trajectory", stamp_ns, joints, np.array([100, 200]) * 1_000_000, [[0.1, 0.2], [0.3, 0.4]]
    )


def test_the_first_update_holds_the_measured_position():
    endpoint = JointTrajectoryEndpoint(["a", "b"], 2_000_000)
    for cycle in range(3):
        q, v, a = endpoint.update(cycle * 2_000_000, 2_000_000, np.array([0.5 + cycle, -0.5]), np.zeros(2))
        np.testing.assert_array_equal(q, [0.5, -0.5])
        assert not v.any() and not a.any()
    assert endpoint.holding


def test_a_clock_that_begins_at_zero_is_no_special_case():
    commands = []
    for origin in (0, 5_000_000_000):
        endpoint = JointTrajectoryEndpoint(["a", "b"], 2_000_000)
        endpoint.update(origin, 2_000_000, np.array([0.5, -0.5]), np.zeros(2))
        endpoint.submit(chunk(), origin)
        for cycle in range(1, 60):
            q, _, _ = endpoint.update(origin + cycle * 2_000_000, 2_000_000, np.array([0.5, -0.5]), np.zeros(2))
        commands.append(q)
    # the controller reads a command time of 0 as "none yet"; past the first point nothing of that is left
    np.testing.assert_allclose(commands[0], commands[1], atol=1e-9)


def test_a_refused_message_changes_nothing():
    endpoint = JointTrajectoryEndpoint(["a", "b"], 2_000_000)
    endpoint.update(10**9, 2_000_000, np.zeros(2), np.zeros(2))
    result = endpoint.submit(chunk(joints=("a", "c")), 10**9)
    assert not result and result.reason == "unknown_joint"
    q, _, _ = endpoint.update(10**9 + 2_000_000, 2_000_000, np.ones(2), np.zeros(2))
    np.testing.assert_array_equal(q, [0.0, 0.0])
    assert endpoint.holding


def test_the_callers_arrays_are_not_written_to():
    message = chunk()
    copy = dataclasses.replace(message, positions=message.positions.copy())
    endpoint = JointTrajectoryEndpoint(["b", "a"], 2_000_000, rule="splice")
    for cycle in range(300):
        if cycle in (5, 50):
            assert endpoint.submit(message, 10**9 + cycle * 2_000_000)
        q, v, _ = endpoint.update(10**9 + cycle * 2_000_000, 2_000_000, np.zeros(2), np.zeros(2))
        q += 1.0
        v += 1.0
    np.testing.assert_array_equal(message.positions, copy.positions)
    np.testing.assert_allclose(endpoint.desired[0], [0.4, 0.3], atol=1e-12)


def test_reset_forgets_the_motion():
    endpoint = JointTrajectoryEndpoint(["a", "b"], 2_000_000)
    endpoint.update(10**9, 2_000_000, np.zeros(2), np.zeros(2))
    endpoint.submit(chunk(), 10**9)
    endpoint.update(10**9 + 2_000_000, 2_000_000, np.zeros(2), np.zeros(2))
    endpoint.reset()
    q, _, _ = endpoint.update(10**9 + 4_000_000, 2_000_000, np.array([0.7, 0.7]), np.zeros(2))
    np.testing.assert_array_equal(q, [0.7, 0.7])


def test_unknown_rule_is_named():
    with pytest.raises(ValueError, match="'merge'.*legacy, splice"):
        JointTrajectoryEndpoint(["a"], 1_000_000, rule="merge")
