"""Stop, brake, resume, home, and the conditions that stop an arm by themselves."""

import uuid

import numpy as np
import pytest
from cells import HOME, MS, Rig, make_card, straight
from curve import sample

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.controller import BRAKE_MARGIN_NS


def moving(**options):
    rig = Rig(**options)
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(600)
    return rig


def speeds(rig, duration_ms):
    return [np.abs(rig.controller.commanded_at(rig.now + t * MS)[1]).max() for t in range(0, duration_ms, 5)]


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_stop_brakes_at_once_smoothly_and_latches(rule):
    rig = moving(card=make_card(rule=rule))
    before = rig.controller.commanded_at(rig.now + BRAKE_MARGIN_NS)
    out = rig.take(rig.controller.stop(rig.now))
    assert out.accepted and out.status is ControllerState.STOPPED and len(out.trajectories) == 1
    after = rig.controller.commanded_at(rig.now + BRAKE_MARGIN_NS)
    for one, other in zip(before, after):  # the stop joins the motion a moment ahead, without a step
        np.testing.assert_allclose(one, other, atol=1e-9)
    course = speeds(rig, 600)
    assert course[0] > 0.3 and course[80] < 1e-9  # at rest within 0.4 s
    assert all(b <= a + 1e-9 for a, b in zip(course[4:], course[5:]))  # and only ever slower
    t = rig.now + np.arange(0, 600, 2) * MS
    _, _, a = (np.array(x) for x in zip(*(rig.controller.commanded_at(int(x)) for x in t)))
    assert np.all(np.abs(a) <= np.array(rig.card.arms[0].limits.acceleration))
    rig.run(1000)
    (closed,) = rig.of_phase(Phase.CLOSED)
    assert "stop" in closed.message and closed.steps_superseded > 0
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.STOPPED
    assert rig.take(rig.controller.resume(rig.now)).status is ControllerState.IDLE


@pytest.mark.parametrize(("left_ms", "ends_ms"), [(107, [106]), (106, []), (105, [])])
def test_a_stop_is_sent_only_where_it_ends_sooner_than_the_motion(left_ms, ends_ms):
    """The shortest takes 100 ms, and begins 6 ms after it was asked for."""
    rig = moving()  # for two seconds, the last 0.4 of which it brakes
    rig.run(1400 - left_ms)
    messages = rig.take(rig.controller.stop(rig.now)).trajectories
    assert [message.stamp_ns + int(message.times_ns[-1]) - rig.now for message in messages] == [ms * MS for ms in ends_ms]


def test_stop_at_rest_only_latches(rig):
    out = rig.take(rig.controller.stop(rig.now))
    assert out.trajectories == [] and out.status is ControllerState.STOPPED


def test_horizon_0_brakes_without_latching():
    rig = moving()
    out = rig.send(np.empty((0, 7)), 1)
    assert [r.verdict for r in out.reports if r.sequence == 1] == [Verdict.BRAKE, Verdict.BRAKE]
    assert out.status is ControllerState.BRAKING and len(out.trajectories) == 1
    rig.run(500)
    assert rig.output.status is ControllerState.IDLE
    rig.send(straight(), 2)
    assert rig.output.status is ControllerState.TRACKING


def test_brake_of_an_old_run_is_not_obeyed():
    rig = moving()
    rig.send(straight((0, 0.3, 0)), 0, run_id=uuid.UUID(int=9).hex)
    out = rig.send(np.empty((0, 7)), 1)
    assert out.reports[-1].verdict is Verdict.OLD_RUN and out.trajectories == []


def test_a_brake_never_prolongs_the_motion():
    rig = moving()
    rig.run(1340)  # the chunk's own stop is under way
    end = rig.controller.commanded_at(rig.now + 1000 * MS)[0]
    out = rig.take(rig.controller.stop(rig.now))
    assert out.trajectories == []
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now + 1000 * MS)[0], end)


@pytest.mark.parametrize("prepare", ["at rest", "moving"])
def test_home(prepare):
    rig = moving() if prepare == "moving" else Rig(q=HOME + np.array([0.3, 0.1, -0.1, 0.2, 0.1, -0.1, 0.2]))
    out = rig.take(rig.controller.home(rig.now))
    assert out.accepted and out.status is ControllerState.HOMING
    t = rig.now + np.arange(0, 8000, 5) * MS
    _, v, a = (np.array(x) for x in zip(*(rig.controller.commanded_at(int(x)) for x in t)))
    limits = rig.card.arms[0].limits
    assert np.all(np.abs(v[100:]) <= 0.25 * np.array(limits.velocity))
    assert np.all(np.abs(a) <= np.array(limits.acceleration))
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.STOPPED and "homing" in rig.reports[-1].message
    rig.run(8000)
    assert rig.output.status is ControllerState.IDLE
    np.testing.assert_allclose(rig.q, HOME, atol=1e-9)
    rig.send(straight(), 2)
    assert rig.output.status is ControllerState.TRACKING


def test_home_is_not_accepted_while_stopped(rig):
    rig.take(rig.controller.stop(rig.now))
    out = rig.take(rig.controller.home(rig.now))
    assert not out.accepted and "resume" in out.message and out.trajectories == []


def test_stop_while_homing():
    rig = Rig(q=HOME + 0.4 * np.array([1, 0, 0, 0, 0, 0, 0]))
    rig.take(rig.controller.home(rig.now))
    rig.run(800)
    rig.take(rig.controller.stop(rig.now))
    rig.run(600)
    assert rig.output.status is ControllerState.STOPPED and speeds(rig, 100)[0] == 0.0
    assert abs(rig.q[0]) > 0.1


def test_home_holds_the_gripper_and_forgets_the_chunks_before():
    rig = Rig(strategy="temporal_ensemble")
    actions = np.hstack([straight((0.1, 0, 0)), np.zeros((16, 1))])
    actions[8:, 6] = 1.0  # the hand would open in a second
    rig.send(actions)
    rig.run(300)
    rig.take(rig.controller.home(rig.now))
    before = [m for m in rig.trajectories if "hand" in m.topic]
    rig.run(int((rig.controller._arms.timeline.end_ns - rig.now) / 1e6) + 400)
    assert [m for m in rig.trajectories if "hand" in m.topic] == before
    start = rig.tool()[1, 3]
    rig.send(straight((0.0, 0.05, 0.0)), 1)
    rig.run(2500)
    assert rig.tool()[1, 3] - start == pytest.approx(0.08, abs=0.01)


def test_a_second_jump_of_the_clock_does_not_forget_what_was_sent():
    rig = moving()
    ends = rig.controller._arms.timeline.end_ns - rig.now
    for _ in range(2):
        rig.now -= 500 * MS
        rig.take(rig.controller.tick(rig.now))
    rig.follow = False
    rig.run(int(ends / 1e6) - 100)
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "clock" in rig.reports[-1].message
    rig.run(200)
    rig.send(straight(), 2)
    assert [r for r in rig.reports if r.sequence == 2][0].verdict is Verdict.ACCEPTED


def test_what_was_executed_before_the_clock_jumped_counts():
    rig = moving()
    rig.run(400)
    rig.now -= 5000 * MS
    rig.take(rig.controller.tick(rig.now))
    closed = [r for r in rig.reports if r.phase is Phase.CLOSED][-1]
    assert closed.verdict is Verdict.ACCEPTED and closed.steps_executed >= 4


def test_joint_states_that_stop_brake_the_arm():
    rig = moving()
    rig.now += 260 * MS
    out = rig.take(rig.controller.tick(rig.now))
    assert out.status is ControllerState.STALE_STATE and len(out.trajectories) == 1
    assert speeds(rig, 600)[-1] == 0.0
    assert rig.take(rig.controller.tick(rig.now + 10 * MS)).trajectories == []


def test_an_arm_that_does_not_follow_is_desync():
    rig = moving()
    rig.follow = False  # stands still where it is
    out_of_step = rig.controller.commanded_at(rig.now)[0] - np.array([0.5, 0, 0, 0, 0, 0, 0])
    rig.q = out_of_step
    rig.run(60)
    assert rig.output.status is ControllerState.DESYNC
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.DESYNC
    rig.run(600)
    assert rig.output.status is ControllerState.IDLE
    rig.follow = True
    rig.send(straight(), 2)
    np.testing.assert_allclose(rig.arm_messages[-1].positions[0], out_of_step)  # anchored anew, where it stands


def test_a_lagging_arm_is_not_desync():
    rig = Rig()
    rig.follow = False
    rig.send(straight((0, 0.3, 0)))
    for _ in range(200):
        rig.now += 10 * MS
        q, v, _ = rig.controller.commanded_at(rig.now - 120 * MS)
        rig.controller.on_joint_state(rig.now, rig.names, q, v, rig.now)
        assert rig.take(rig.controller.tick(rig.now)).status is not ControllerState.DESYNC


def test_an_arm_moved_at_rest_is_anchored_where_it_stands():
    rig = moving()
    rig.run(3000)
    rig.follow = False
    rig.q = rig.q + 0.05
    rig.run(100)
    rig.send(straight(), 1)
    np.testing.assert_allclose(rig.arm_messages[-1].positions[0], rig.q)


def test_clock_set_back():
    rig = moving()
    rig.now -= 500 * MS
    out = rig.take(rig.controller.tick(rig.now))
    (closed,) = [r for r in out.reports if r.phase is Phase.CLOSED]
    assert "clock" in closed.message and rig.controller.commanded_at(rig.now) is None
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "clock" in rig.reports[-1].message
    q, moving_on = rig.q, np.full(7, 0.4)
    rig.controller.on_joint_state(rig.now, rig.names, q, moving_on, rig.now)
    rig.send(straight(), 2)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "rest" in rig.reports[-1].message
    rig.now += 10 * MS
    rig.controller.on_joint_state(rig.now, rig.names, q, np.zeros(7), rig.now)
    rig.send(straight(), 3)  # at rest, but what was sent before the clock jumped has not ended
    assert rig.reports[-1].verdict is Verdict.NO_STATE
    rig.now += 2500 * MS
    rig.controller.on_joint_state(rig.now, rig.names, q, np.zeros(7), rig.now)
    rig.send(straight(), 4)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED


def test_an_arm_moved_by_others_is_left_alone():
    rig = Rig()
    rig.now += 10 * MS
    rig.controller.on_joint_state(rig.now, rig.names, rig.q, np.full(7, 0.3), rig.now)
    rig.send(straight())
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "moves" in rig.reports[-1].message


def test_a_stop_ends_what_was_sent_before_the_clock_was_set_back():
    """The trajectory controller goes on by its own time; a steady clock tells where it is."""
    rig = Rig(steady=lambda: rig.now + rig.back)
    rig.back = 0
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(500)
    expected = [rig.controller.commanded_at(rig.now + t * MS) for t in (20, 1200)]
    rig.now += 10 * MS
    rig.now, rig.back = rig.now - 1000 * MS, 1000 * MS
    rig.take(rig.controller.tick(rig.now))
    for t, before in zip((10, 1190), expected):
        np.testing.assert_allclose(rig.controller.commanded_at(rig.now + t * MS), before, atol=1e-12)
    rig.state()
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "clock" in rig.reports[-1].message
    sent = len(rig.arm_messages)
    rig.take(rig.controller.stop(rig.now))
    assert len(rig.arm_messages) == sent + 1
    rig.run(500)
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now)[1], 0.0)
    rig.take(rig.controller.resume(rig.now))
    rig.run(100)
    rig.send(straight(), 2)
    assert [r for r in rig.reports if r.sequence == 2][0].verdict is Verdict.ACCEPTED


def test_a_stop_after_the_clock_was_set_back_to_zero_begins_with_the_motion_under_way():
    """A stamp is never negative, and the running knot then is; a message that began at the next one would make a step."""
    rig = Rig(steady=lambda: rig.now + rig.back)
    rig.back = 0
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(540)
    rig.now, rig.back = 5 * MS, rig.now - 5 * MS
    rig.take(rig.controller.tick(rig.now))
    rig.take(rig.controller.stop(rig.now))
    message = rig.arm_messages[-1]
    assert 0 < message.stamp_ns <= rig.now
    for t in range(5, 400, 7):
        for ours, executed in zip(rig.controller.commanded_at(t * MS), sample(message, t * MS)):
            np.testing.assert_allclose(executed, ours, atol=1e-9)


def test_a_dry_run_says_that_home_moves_nothing():
    rig = Rig(q=HOME + 0.1, dry_run=True)
    out = rig.take(rig.controller.home(rig.now))
    assert out.accepted and out.trajectories == []
    assert out.message.startswith("dry run: nothing is published, the arm does not move")
