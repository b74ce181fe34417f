"""Who is told where the commanded motion is cut, and that planning by itself changes none of it."""

import numpy as np
import pytest
from cells import HOME, LOWER, MS, Rig, make_chunk, straight

from vla_contract.report import Phase
from vla_controller import cut
from vla_controller.planning import chunk_plan

KINDS = ("BRAKED", "RUNS_OUT", "SENT_HOME", "CLOCK_SET", "ANCHORED", "DISOWNED", "REACTIVATED", "DROPPED", "NEW_RUN")


def with_gripper(rig, closes_at: int):
    """16 steps of motion, the gripper closed from one of them on."""
    actions = np.hstack([straight(), np.ones((16, 1))])
    actions[closes_at:, 6] = 0.0
    return rig.send(actions)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_tells_those_whom_its_kind_names(kind):
    rig = Rig(strategy="temporal_ensemble")
    with_gripper(rig, closes_at=8)
    rig.run(200)
    motion, of_kind = rig.controller._motion, getattr(cut, kind)
    motion._homing_until_ns = rig.now + 10**9
    motion.cut(of_kind, rig.now, "for a reason")
    assert motion.homing is not of_kind.homing
    assert not motion.stitcher.strategy._memory
    motion._homing_until_ns = None
    sent = len(rig.trajectories)
    rig.run(1800)
    assert (len(rig.trajectories) > sent) is (of_kind.grippers is None), "the gripper's command that was scheduled"
    (closed,) = rig.of_phase(Phase.CLOSED)
    assert (closed.message == "for a reason") is of_kind.chunks
    assert (closed.steps_executed < 16) is of_kind.chunks


def test_a_plan_that_is_not_committed_changes_nothing():
    rig = Rig(strategy="temporal_ensemble")
    rig.send(straight(steps=4), 0)
    rig.run(200)
    rig.send(straight(), 1)
    rig.run(400)  # the first chunk is over by now
    controller = rig.controller
    arm, strategy = controller._arms.arms[0], controller._stitcher.strategy
    chunk = make_chunk(rig.card, straight((0.0, 0.1, 0.0)), rig.now - 50 * MS, 2)
    before = [dict(vars(arm)), dict(vars(controller._arms)), [list(earlier) for earlier in strategy._memory]]
    first = controller._stitcher.plan(chunk, rig.now)
    after = [dict(vars(arm)), dict(vars(controller._arms)), [list(earlier) for earlier in strategy._memory]]
    assert all(a[key] is b[key] for a, b in zip(before[:2], after[:2]) for key in a)
    assert [list(map(id, earlier)) for earlier in before[2]] == [list(map(id, earlier)) for earlier in after[2]]
    np.testing.assert_array_equal(first.plan.q, controller._stitcher.plan(chunk, rig.now).plan.q)


def test_planning_from_outside_of_the_range_leaves_the_arms_as_they_are():
    q = np.array(HOME)
    q[0] = LOWER[0] - 0.02
    rig = Rig(q=q)
    rig.controller._arms.rest_at(rig.now, q)
    arm = rig.controller._arms.arms[0]
    before = dict(vars(arm))
    stitched = rig.controller._stitcher.plan(make_chunk(rig.card, straight(), rig.now), rig.now)
    assert stitched.requests[0].limits.tool_speed < arm.limits.tool_speed, "slowly, from out there"
    assert all(before[key] is value for key, value in vars(arm).items())


def test_what_no_limit_had_shaped_is_smoothed_once_for_a_chunk(monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(1)
        return smooth(*arguments)

    smooth = chunk_plan.smooth
    monkeypatch.setattr(chunk_plan, "smooth", counted)
    rig = Rig()
    zigzag = straight() + (-1.0) ** np.arange(16)[:, None] * np.array([0.03, 0.0, 0.0, 0.0, 0.0, 0.0])
    rig.send(zigzag, 0)
    assert rig.reports[0].steps_clamped > 0 and len(calls) == 1
