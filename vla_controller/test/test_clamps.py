"""What a chunk asks beyond the limits is cut back, and reported with the step, the limit and by how much."""

import numpy as np
import pytest
from cells import HOME, LOWER, MS, UPPER, Rig, arm_section, make_card, straight

import vla_controller.planning.chunk_plan
from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.planning.kernels import follow
from vla_controller.planning.limits import Violation
from vla_motion.kinematics import inverse_path
from vla_motion.model import RobotModel

HOME_X, HOME_Z = 0.41489, 0.39695  # of the tool [m]


def tool_path(rig, duration_ms=3500):
    t = rig.now + np.arange(0, duration_ms, 5) * MS
    q = np.array([rig.controller.commanded_at(int(x))[0] for x in t])
    return rig.model.forward_batch(q)


def closed(rig):
    (report,) = rig.of_phase(Phase.CLOSED)
    return report


@pytest.mark.parametrize(
    "speed, axis, bound", [((0.4, 0, 0), 0, 0.75), ((0, 0.35, 0), 1, 0.4), ((0, 0, -0.4), 2, 0.005)], ids="xyz"
)
def test_workspace(rig, speed, axis, bound):
    rig.send(straight(speed))
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    clamps = [c for c in report.clamps if c.limit == f"workspace {'xyz'[axis]}"]
    wish = (HOME_X, 0.0, HOME_Z)[axis] + np.array(speed)[axis] * 0.1 * np.arange(1, 17)
    outside = {int(i) for i in np.flatnonzero(np.abs(wish) > bound if axis == 1 else
                                              wish > bound if axis == 0 else wish < bound)}  # fmt: skip
    assert clamps and outside <= {c.step for c in report.clamps}
    assert all(c.amount > 0 for c in clamps)
    path = tool_path(rig)[:, axis, 3]
    assert path.max() <= 0.75 if axis == 0 else path.max() <= 0.4 if axis == 1 else path.min() >= 0.005
    assert abs(path[-1] - bound) < 0.02  # it goes as far as it may
    rig.run(4000)
    assert closed(rig).steps_clamped == len({c.step for c in report.clamps})


def test_a_step_that_two_limits_cut_is_one_clamped_step(rig):
    rig.send(straight((0.4, 0.35, 0)))
    report = rig.reports[0]
    steps = [clamp.step for clamp in report.clamps]
    assert len(steps) > len(set(steps)) >= 5, "several limits cut some of its steps"
    assert report.phase is Phase.SCHEDULED and report.steps_clamped == len(set(steps))
    rig.run(4000)
    assert closed(rig).steps_clamped == len(set(steps))


def test_planned_actions_tell_what_the_clamp_left(rig):
    rig.send(straight((0.4, 0, 0)))
    planned = rig.reports[0].planned_actions
    total = rig.model.forward(HOME)[0, 3] + planned[:, 0].sum()
    assert total == pytest.approx(tool_path(rig)[-1, 0, 3], abs=5e-3)
    np.testing.assert_allclose(planned[:, 6], 1.0)


def test_after_a_clamp_steps_go_on_from_the_clamped_pose(rig):
    """Down to the floor of the box, then up: the way up begins at the floor, not as far below it as was asked."""
    rig.send(np.vstack([straight((0, 0, -0.45), 10), straight((0, 0, 0.2), 4), straight((0, 0, 0), 2)]))
    end = tool_path(rig)[-1, 2, 3]
    assert 0.075 < end < 0.13  # 0.005 + 0.08 and a distance kept, where 10 steps of 0.045 would have led to 0.027


def test_tool_outside_the_workspace_may_only_come_in():
    q = HOME.copy()
    q[0] = 1.2  # turns the tool out of the box in x and keeps it in reach
    rig = Rig(q=q)
    start = rig.model.forward(q)[:3, 3]
    card = rig.card.arms[0].limits
    out = np.maximum(np.array(card.workspace_min) - start, start - np.array(card.workspace_max))
    axis = int(np.argmax(out))
    assert out[axis] > 0
    away = np.sign(start[axis]) if axis == 1 else (1.0 if start[axis] > card.workspace_max[axis] else -1.0)
    told = rig.controller.snapshot(rig.now).message
    assert f"tool {'xyz'[axis]} is at {start[axis]:.4g} m, allowed are" in told and "slow ways inward" in told
    outward = np.zeros(3)
    outward[axis] = away * 0.1
    rig.send(straight(outward))
    path = tool_path(rig)[:, axis, 3]
    assert np.all(away * (path - start[axis]) <= 1e-6)
    rig.run(3000)
    rig.send(straight(-outward), 1)
    assert away * (tool_path(rig)[-1, axis, 3] - start[axis]) < -0.1


def test_a_joint_that_is_measured_a_turn_off_is_named_with_its_range():
    rig = Rig(q=HOME + [2 * np.pi, 0, 0, 0, 0, 0, 0])
    told = rig.controller.snapshot(rig.now).message
    assert "panda_joint1 is at 6.283 rad, allowed are -2.897 to 2.897" in told
    rig.take(rig.controller.home(rig.now))
    assert rig.output.accepted or "panda_joint1 is at 6.283 rad" in rig.output.message
    inside = Rig()
    assert inside.controller.snapshot(inside.now).message == ""


@pytest.mark.parametrize("side, bound", [("max", 0.40), ("min", 0.43)])
def test_tool_outside_the_workspace_comes_in_bit_by_bit_also_where_its_joints_are_slowed(side, bound):
    section = arm_section()
    section["limits"][f"workspace_{side}"] = [bound, *section["limits"][f"workspace_{side}"][1:]]
    section["limits"]["velocity"] = [2.175] * 4 + [2.61] * 2 + [0.3]
    rig = Rig(make_card(arms=[section]))
    rig.send(np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.08], (16, 1)))
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    assert [clamp.step for clamp in report.clamps if clamp.limit == "velocity panda_joint7"] == list(range(16))
    outside = [clamp.amount for clamp in report.clamps if clamp.limit == "workspace x"]
    assert outside[0] == pytest.approx(0.002) and np.diff(outside).max() < 0.002, "2 mm a step, of which some is slowed away"
    x = tool_path(rig)[:, 0, 3]
    inward = np.sign(bound - HOME_X)
    assert np.diff(inward * x).min() > -1e-6 and inward * (x[-1] - bound) > -5e-4


@pytest.mark.parametrize(
    "columns, limit, peak", [(slice(0, 3), "tool_speed", 0.7), (slice(3, 6), "tool_angular_speed", 2.0)]
)
def test_tool_speeds(rig, columns, limit, peak):
    actions = np.zeros((16, 6))
    actions[2:5, columns] = np.array([0.02, -0.1, 0.05]) * (1 if limit == "tool_speed" else 3)
    rig.send(actions)
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    assert {2, 3, 4} <= {c.step for c in report.clamps if c.limit == limit}
    path = tool_path(rig)
    if limit == "tool_speed":
        speed = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1) / 5e-3
    else:
        turns = path[1:, :3, :3] @ np.swapaxes(path[:-1, :3, :3], 1, 2)
        speed = np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1)) / 5e-3
    assert speed.max() <= peak


def test_joint_limits():
    rig = Rig(make_card("JOINT_POSITION"))
    wanted = np.tile(HOME, (16, 1))
    wanted[:, 3] = HOME[3] - 0.07 * np.arange(1, 17)  # to -3.47, limit -3.07
    rig.send(wanted)
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    beyond = [c for c in report.clamps if c.limit == "position panda_joint4"]
    assert [c.step for c in beyond][-1] == 15 and beyond[-1].amount == pytest.approx(3.47 - 3.0718, abs=0.09)
    q = np.array([rig.controller.commanded_at(int(t))[0] for t in rig.now + np.arange(0, 3500, 5) * MS])
    assert np.all(q >= LOWER) and np.all(q <= UPPER)


def test_a_large_joint_step_is_slowed_down():
    rig = Rig(make_card("JOINT_POSITION"))
    wanted = np.tile(HOME, (16, 1))
    wanted[:, 0] += 0.6
    wanted[3, 0] -= 0.01  # one place alone would be gone to at once
    rig.send(wanted)
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    assert any(c.limit == "velocity panda_joint1" for c in report.clamps)
    t = rig.now + np.arange(0, 3500, 5) * MS
    _, v, a = (np.array(x) for x in zip(*(rig.controller.commanded_at(int(x)) for x in t)))
    limits = rig.card.arms[0].limits
    assert np.all(np.abs(v) <= np.array(limits.velocity)) and np.all(np.abs(a) <= np.array(limits.acceleration))
    assert rig.controller.commanded_at(int(t[-1]))[0][0] == pytest.approx(0.6, abs=0.02)


def test_workspace_holds_for_joint_positions_too():
    rig = Rig(make_card("JOINT_POSITION"))
    wanted = np.tile(HOME, (16, 1))
    wanted[:, 1] += 0.06 * np.arange(1, 17)  # leans forward and down
    wanted[:, 3] += 0.08 * np.arange(1, 17)
    asked = rig.model.forward_batch(wanted)[:, :3, 3]
    limits = rig.card.arms[0].limits
    assert np.any(asked > limits.workspace_max) or np.any(asked < limits.workspace_min)
    rig.send(wanted)
    assert rig.reports[0].verdict is Verdict.ACCEPTED
    assert any(c.limit.startswith("workspace") for c in rig.reports[0].clamps)
    path = tool_path(rig)[:, :3, 3]
    assert np.all(path >= limits.workspace_min) and np.all(path <= limits.workspace_max)


def test_open_loop_limit_ends_the_motion_early(rig):
    rig.send(straight(), valid_for_ns=800 * MS)
    report = rig.reports[0]
    cut = [c.step for c in report.clamps if c.limit == "open_loop"]
    assert cut == list(range(7, 16))  # from rest: step i is due 20 ms + (i + 1) * 100 ms after now
    np.testing.assert_allclose(report.planned_actions[7, :3], [0.008, 0.0, 0.0], atol=5e-4)  # 80 ms of it are left
    np.testing.assert_array_equal(report.planned_actions[8:, :6], 0.0)
    at_the_limit = rig.tool(rig.now + 800 * MS)[:3, 3] - rig.model.forward(HOME)[:3, 3]
    np.testing.assert_allclose(at_the_limit, [0.078, 0.0, 0.0], atol=1e-3)
    rig.run(820)
    assert rig.output.status is ControllerState.BRAKING
    rig.run(500)
    assert rig.output.status is ControllerState.IDLE


@pytest.mark.parametrize("space", ["EE_POSE", "JOINT_POSITION"])
def test_of_the_step_that_the_open_loop_limit_cuts_a_share_is_done(space):
    rig = Rig(make_card(space))
    here = HOME if space == "JOINT_POSITION" else np.concatenate([rig.model.forward(HOME)[:3, 3], [np.pi, 0.0, 0.0]])
    wanted = np.tile(here, (16, 1))
    wanted[:, 0] += 0.01 * np.arange(1, 17)
    rig.send(wanted, valid_for_ns=800 * MS)
    planned = rig.reports[0].planned_actions[:, 0] - here[0]
    np.testing.assert_allclose(planned[6:9], [0.07, 0.078, 0.078], atol=5e-4)  # 80 of 100 ms are left
    np.testing.assert_array_equal(planned[8:], planned[7])


def test_joint_positions_that_lead_out_of_the_box_go_along_its_side():
    section = arm_section()
    section["limits"]["workspace_max"] = [0.5, 0.4, 0.6]
    rig = Rig(make_card("JOINT_POSITION", arms=[section]))
    T = np.repeat(rig.model.forward(HOME)[None], 16, axis=0)
    T[:, :2, 3] += np.outer(np.arange(1, 17), [0.0125, 0.015])  # to 0.61 in x, the side is at 0.5
    rig.send(inverse_path(rig.model, T, HOME, posture=HOME))
    assert any(c.limit == "workspace x" and c.step > 13 for c in rig.reports[0].clamps)
    end = tool_path(rig)[-1, :3, 3]
    assert 0.48 < end[0] <= 0.5
    np.testing.assert_allclose(end[1:], T[-1, 1:3, 3], atol=0.03)


def test_a_slide_keeps_to_range_and_box_as_turning_joints_do():
    inertial = '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'
    text = (
        f'<mujoco><worldbody><body name="base"><body><joint name="slide" type="slide" axis="1 0 0" range="-1 1"/>{inertial}'
        f'<body><joint name="turn" range="-3 3"/>{inertial}<site name="tool" pos="0.1 0 0.3"/></body></body></body>'
        "</worldbody></mujoco>"
    )
    model = RobotModel.from_mjcf(text, ["slide", "turn"], "tool", "base")
    far = np.full(2, 9.0)
    limits = follow.StepLimits(
        9.0, 9.0, np.array([-9.0, -9.0, -9.0]), np.array([0.55, 9.0, 9.0]), model.lower, -model.lower, far
    )
    wanted = np.array([[0.2, 0.0], [0.6, 0.0], [1.5, np.pi / 2]])
    q, noted = np.empty((3, 2)), np.empty((20, 3))
    zero = np.zeros(2)
    count = follow.follow_joints(model.chain, limits, follow.Steps(4, 1.0, False), zero, zero, wanted, q, noted)
    np.testing.assert_allclose(q[0], wanted[0], atol=1e-12)
    assert model.forward(q[1])[0, 3] == pytest.approx(0.55, abs=1e-4)
    assert np.all(model.forward_batch(q)[:, 0, 3] <= 0.55 + 1e-4)
    assert {(step, code) for step, code, _ in noted[:count].tolist()} >= {(5, 0), (6, follow.POSITION), (6, 0)}
    assert noted[0].tolist() == pytest.approx([5, 0, 0.15])


def test_without_a_way_the_motion_under_way_stays(rig, monkeypatch):
    rig.send(straight())
    rig.run(300)
    times = [rig.now + t * MS for t in range(0, 2500, 50)]
    before = [rig.controller.commanded_at(t)[0] for t in times]
    trajectories = len(rig.trajectories)
    violation = Violation("jerk panda_joint2", 12.0, 0.1)
    monkeypatch.setattr(vla_controller.planning.chunk_plan, "check_curve", lambda *_, **__: violation)
    rig.send(straight((0, 0.1, 0)), 1)
    assert rig.reports[-1].verdict is Verdict.INFEASIBLE and "jerk panda_joint2" in rig.reports[-1].message
    assert len(rig.trajectories) == trajectories
    np.testing.assert_array_equal([rig.controller.commanded_at(t)[0] for t in times], before)


def test_out_of_reach_is_reported_and_survived():
    rig = Rig()
    rig.card.arms[0].limits.workspace_max[:] = [2.0, 2.0, 2.0]
    rig = Rig(rig.card)
    rig.send(straight((0.45, 0.0, 0.2)))
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED
    assert any(c.limit in ("reach",) or c.limit.startswith("velocity") for c in report.clamps)
    t = rig.now + np.arange(0, 3500, 5) * MS
    q, v, a = (np.array(x) for x in zip(*(rig.controller.commanded_at(int(x)) for x in t)))
    limits = rig.card.arms[0].limits
    assert np.all(q >= LOWER) and np.all(q <= UPPER)
    assert np.all(np.abs(v) <= np.array(limits.velocity)) and np.all(np.abs(a) <= np.array(limits.acceleration))


def test_a_contact_is_named_where_a_plan_also_gave_way_to_limits_that_it_was_further_beyond():
    section = arm_section()
    section["limits"]["workspace_min"] = [0.25, -0.4, -0.5]
    section["limits"]["collision"]["table_height"] = HOME_Z - 0.1
    rig = Rig(make_card(arms=[section]))
    rig.send(np.vstack([straight((0.0, 0.0, -0.45), 4), straight((0.0, 0.0, 0.0), 12)]))
    limits = {clamp.step: clamp.limit for clamp in rig.reports[0].clamps}
    assert limits[3] == "tool_speed" and limits[4] == limits[5] == "collision panda_link7 table"
