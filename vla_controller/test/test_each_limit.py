"""Each limit of each joint binds alone: all others are far away, and the executed curve comes near to this one, never over it.

And where a curve meets the tool's limits, or a contact, between its knots."""

from dataclasses import replace

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card, panda_model
from curve import executed_curve

from vla_contract.report import Phase, Verdict
from vla_controller.planning.kernels.curve import ToolLimits, _tool_bounds, check_tool, coefficients_and_peaks
from vla_controller.planning.limits import check_curve
from vla_motion.kinematics import inverse

FAR = {"velocity": 20.0, "acceleration": 200.0, "jerk": 60_000.0}
NEAR = {"velocity": 0.25, "acceleration": 1.5, "jerk": 25.0}
COLUMN = {"velocity": 2, "acceleration": 3, "jerk": 4}


def moved(joint: int, kind: str, rule: str = "legacy"):
    """Executed curve of a step of one joint asked for at once, where only this limit of this joint is near."""
    section = arm_section(rule=rule)
    limits = section["limits"]
    limits |= {name: [value] * 7 for name, value in FAR.items()}
    limits[kind][joint] = NEAR[kind]
    limits |= {"tool_speed": 10.0, "tool_angular_speed": 50.0, "workspace_min": [-2.0] * 3, "workspace_max": [2.0] * 3}
    limits["collision"] = {"self_collision": False, "table_height": -5.0}
    rig = Rig(make_card("JOINT_POSITION", arms=[section]))
    wish = np.tile(HOME, (16, 1))
    wish[:, joint] += 0.5 * np.minimum(1.0, np.arange(1, 17) / 8)
    begin = rig.now
    rig.send(wish)
    assert rig.of_phase(Phase.SCHEDULED)[0].verdict is Verdict.ACCEPTED
    rig.run(4000)
    messages = rig.arm_messages
    return rig, executed_curve(messages, [begin] * len(messages), rule, begin, rig.now, 2 * MS)


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("kind", NEAR)
def test_it_binds_alone_and_is_kept(joint, kind):
    rig, curve = moved(joint, kind)
    peak = np.abs(curve[COLUMN[kind]]).max(axis=0)
    assert peak[joint] <= NEAR[kind] * (1 + 1e-6)
    assert peak[joint] >= 0.6 * NEAR[kind], "it is this limit that slows it"
    assert np.delete(peak, joint).max() <= 1e-6, "nothing else moves"
    (report,) = rig.of_phase(Phase.SCHEDULED)
    limits = [clamp.limit.split() for clamp in report.clamps if not clamp.limit.startswith(("smoothing", "delay"))]
    assert limits and {name for _, name in limits} == {f"panda_joint{joint + 1}"}


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_position_limit_binds_alone(joint, side):
    section = arm_section()
    sign = 1.0 if side == "upper" else -1.0
    section["limits"][f"position_{side}"] = list(section["limits"][f"position_{side}"])
    bound = section["limits"][f"position_{side}"][joint] = round(float(HOME[joint] + sign * 0.1), 4)
    section["limits"] |= {"workspace_min": [-2.0] * 3, "workspace_max": [2.0] * 3}
    section["limits"]["collision"] = {"self_collision": False, "table_height": -5.0}
    rig = Rig(make_card("JOINT_POSITION", arms=[section]))
    wish = np.tile(HOME, (16, 1))
    wish[:, joint] += sign * 0.02 * np.arange(1, 17)
    rig.send(wish)
    rig.run(4000)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    named = [clamp for clamp in report.clamps if clamp.limit == f"position panda_joint{joint + 1}"]
    assert named and named[-1].step == 15 and named[-1].amount == pytest.approx(0.22, abs=0.02)
    end = rig.controller.commanded_at(rig.now)[0]
    assert 0 <= sign * (bound - end[joint]) < 0.02 and np.delete(end - HOME, joint) == pytest.approx(np.zeros(6), abs=1e-9)


REACH = 0.41489  # [m] of the tool from the first joint's axis
WIDE = np.full(3, 2.0)


def first_joint(seconds, q, v, a=None):
    """Knots of a motion of the first joint alone: times [ns], and q, v, a of all joints."""
    columns = [np.zeros((len(q), 7)) for _ in range(3)]
    columns[0][:] = HOME
    for column, values in zip(columns, (q, v, a if a is not None else np.zeros(len(q)))):
        column[:, 0] += values
    return np.round(np.array(seconds) * 1e9).astype(np.int64), *columns


def met_by_the_tool(knots, **changes):
    """What check_tool says of them, and by how much, where and when."""
    times, q, v, a = knots
    model, intervals, found = panda_model(), np.diff(times) * 1e-9, np.full(3, np.nan)
    C, peaks = np.empty((len(intervals), 7, 6)), np.empty((5, len(intervals), 7))
    coefficients_and_peaks(intervals, q, v, a, C, peaks)
    limits = ToolLimits(-WIDE, WIDE, 3.0, 3.1, 9.0, 9.2)._replace(**changes)
    return check_tool(model.chain, model.reach, limits, intervals, C, peaks, found), found


def test_the_first_sample_that_is_too_fast_is_told_whatever_speed_it_began_with():
    # 5.5 rad/s^2 from 0.5 rad/s on, then a shorter segment at 1.6 rad/s
    knots = first_joint((0.0, 0.2, 0.21, 0.5), (0.0, 0.21, 0.226, 0.4), (0.5, 1.6, 1.6, 0.0), (5.5, 5.5, 0.0, 0.0))
    kind, found = met_by_the_tool(knots, speed=0.5, speed_proof=0.52)
    assert kind == 3  # at 1.325 rad/s, the sixth of eight samples
    np.testing.assert_allclose(found, [1.325 * REACH - 0.5, 0, 0.15], atol=1e-4)
    kind, found = met_by_the_tool(knots, turning=1.2, turning_proof=1.25)
    assert kind == 4
    np.testing.assert_allclose(found, [1.325 - 1.2, 0, 0.15], atol=1e-9)
    kind, found = met_by_the_tool(knots, box_upper=np.array([2.0, 0.05, 2.0]))
    assert kind == 1  # 0.106 rad on
    np.testing.assert_allclose(found, [REACH * np.sin(0.5 * 0.15 + 2.75 * 0.15**2) - 0.05, 0, 0.15], atol=1e-4)
    assert met_by_the_tool(knots)[0] == -1


def test_a_way_out_and_back_between_two_samples_is_found():
    knots = first_joint((0.0, 0.01), (0.0, 0.0), (0.025, -0.025), (-5.0, -5.0))
    furthest = REACH * 5.0 * 0.01**2 / 8
    assert met_by_the_tool(knots, box_upper=np.array([2.0, 0.4 * furthest, 2.0]))[0] == 1
    assert met_by_the_tool(knots, box_upper=np.array([2.0, 1.4 * furthest, 2.0]))[0] == -1


def test_a_peak_between_two_samples_of_a_long_segment_is_found():
    # 80 samples of 25 ms; 0.2 rad/s^2 turns it back in the middle between two of them, at 1.0125 s
    peak = 0.1 * 1.0125**2
    knots = first_joint((0.0, 2.0), (0.0, 0.4 * 1.0125 - 0.4), (0.2025, 0.2025 - 0.4), (-0.2, -0.2))
    side, highest = (panda_model().forward(HOME + np.eye(7)[0] * q)[1, 3] for q in (peak - 0.1 * 0.0125**2, peak))
    assert met_by_the_tool(knots, box_upper=np.array([2.0, 0.6 * side + 0.4 * highest, 2.0]))[0] == 1
    assert met_by_the_tool(knots, box_upper=np.array([2.0, highest + 1e-6, 2.0]))[0] == -1


@pytest.mark.parametrize("seed", range(6))
def test_nothing_moves_the_tool_harder_between_two_samples_than_its_bounds_say(seed):
    """Of motions at even acceleration, whose jerk in the tool's space is all of it of turning while turning."""
    rng, model, seconds = np.random.default_rng(seed), panda_model(), 0.2
    joints = np.arange(7) == seed if seed < 3 else rng.random(7) < 0.6
    v, a = joints * rng.uniform(-2, 2, 7), joints * rng.uniform(-10, 10, 7)
    t = np.linspace(0.0, seconds, 401)
    q_t, v_t = HOME + np.outer(t, v) + np.outer(t**2, a) / 2, v + np.outer(t, a)
    C, peaks, bounds = np.empty((1, 7, 6)), np.empty((5, 1, 7)), np.empty(3)
    coefficients_and_peaks(np.array([seconds]), q_t[[0, -1]], v_t[[0, -1]], np.stack([a, a]), C, peaks)
    _tool_bounds(peaks, 0, model.chain.prismatic, model.reach, bounds)
    tool = np.array([model.forward(q)[:3, 3].copy() for q in q_t])
    turning = np.array([model.jacobian(q)[3:] @ v for q, v in zip(q_t, v_t)])
    told = [(tool, 2, bounds[0]), (tool, 3, bounds[1]), (turning, 2, bounds[2])]
    for values, order, bound in told:
        derivative = np.diff(values, order, axis=0) / t[1] ** order
        assert 0.0 < np.linalg.norm(derivative, axis=1).max() <= bound


def test_a_contact_is_told_with_what_is_missing_to_the_margin():
    arm = Rig().controller._arms.arms[0]
    wide = replace(arm.limits, box_lower=-WIDE, box_upper=WIDE, tool_speed=99.0, tool_angular_speed=99.0)
    wide = replace(wide, velocity=np.full(7, 99.0), acceleration=np.full(7, 999.0), jerk=np.full(7, 99_999.0))

    def violation(seconds, *positions):
        q = np.stack(positions)
        times = (np.array(seconds) * 1000).astype(np.int64) * MS
        return check_curve(wide, arm.model, times, q, np.zeros_like(q), np.zeros_like(q), arm.collision)

    beyond = [1.5562, 1.3606, -1.1451, -2.9163, 2.366, 2.1573, -2.6427]  # free, and so is HOME, but not the way between
    on_the_way = violation((0.0, 0.3, 0.8), HOME, HOME + 0.02, beyond)
    assert (on_the_way.limit, on_the_way.segment) == ("collision panda_link7 table", 1)
    assert on_the_way.amount == 0.0, "found where the margin begins"
    assert violation((0.0, 0.3), HOME, HOME + 0.02) is None
    T, heights = arm.model.forward(HOME), []
    for above in (0.002, -0.003):  # the lowest ball of the hand ends 0.0404 m above the tool
        T[2, 3] = above - 0.0404
        heights.append(inverse(arm.model, T, HOME).q)
    assert arm.collision.minimum_distance(heights[0]).distance == pytest.approx(0.002, abs=1e-4)
    assert violation((0.0, 1.0), *heights).amount == pytest.approx(0.003, abs=4e-4)
