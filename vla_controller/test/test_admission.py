"""Every refusal: its verdict, a message that names the offender, and no motion."""

import uuid

import numpy as np
import pytest
from cells import MS, RUN, Rig, straight

from vla_contract.action_space import ActionSpace
from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState


def with_value(value, step=3, column=2):
    actions = straight()
    actions[step, column] = value
    return actions


NAMES = ("arm.x", "arm.y", "arm.z", "arm.rx", "arm.ry", "arm.rz", "arm.gripper")
CASES = {
    "wrong card": ({"card_hash": "0123456789abcdef"}, Verdict.CARD_MISMATCH, ["0123456789abcdef"]),
    "other space": ({"action_space": ActionSpace.EE_POSE}, Verdict.SPACE, ["EE_POSE", "EE_DELTA"]),
    "permuted names": (
        {"names": (NAMES[1], NAMES[0], *NAMES[2:])},
        Verdict.NAMES,
        ["permuted", "expected arm.x, arm.y"],
    ),
    "unknown name": ({"names": (*NAMES[:6], "arm.grip")}, Verdict.NAMES, ["arm.gripper", "arm.grip"]),
    "other period": ({"step_period_ns": 50 * MS}, Verdict.SHAPE, ["0.05 s", "0.1 s"]),
    "other frame": ({"frame_id": "world"}, Verdict.SHAPE, ["world", "panda_link0"]),
    "from the future": ({"stamp_ns": 1_200 * MS}, Verdict.STALE, ["200 ms in the future", "clocks"]),
    "past its validity": ({"stamp_ns": 300 * MS, "valid_for_ns": 600 * MS}, Verdict.EXPIRED, ["700 ms", "600 ms"]),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_verdict_and_reason(rig, case):
    changes, verdict, words = CASES[case]
    rig.send(straight(), **changes)
    scheduled, closed = rig.reports
    assert (scheduled.phase, closed.phase) == (Phase.SCHEDULED, Phase.CLOSED)
    for report in rig.reports:
        assert report.verdict is verdict
        assert all(word in report.message for word in words), report.message
        assert report.steps_executed == 0
    assert rig.trajectories == [] and rig.output.status is ControllerState.IDLE


def test_clocks_may_differ_by_50_ms(rig):
    rig.send(straight(), 0, stamp_ns=rig.now + 50 * MS)
    rig.send(straight(), 1, stamp_ns=rig.now + 50 * MS + 1)
    assert [r.verdict for r in rig.of_phase(Phase.SCHEDULED)] == [Verdict.ACCEPTED, Verdict.STALE]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 5])
def test_values_that_are_not_finite(rig, value, column):
    rig.send(with_value(value, 3, column))
    assert rig.reports[-1].verdict is Verdict.NOT_FINITE
    assert f"step 3, {NAMES[column]}" in rig.reports[-1].message
    assert rig.trajectories == []


def test_gripper_that_is_not_finite(rig):
    actions = np.hstack([straight(), np.ones((16, 1))])
    actions[2, 6] = np.nan
    rig.send(actions)
    assert rig.reports[-1].verdict is Verdict.NOT_FINITE and "arm.gripper" in rig.reports[-1].message


def test_horizon_beyond_the_cards(rig):
    rig.send(straight(steps=17))
    assert rig.reports[-1].verdict is Verdict.SHAPE and "17" in rig.reports[-1].message


def test_every_step_past_while_moving(rig):
    rig.send(straight())
    rig.run(400)
    before = rig.controller.commanded_at(rig.now + 500 * MS)
    rig.send(straight(steps=2), 1, stamp_ns=rig.now - 300 * MS)
    assert rig.reports[-1].verdict is Verdict.STALE and "past" in rig.reports[-1].message
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now + 500 * MS)[0], before[0])


def test_sequences_go_up_within_a_run(rig):
    for sequence in (0, 2, 2, 1):
        rig.send(straight(), sequence)
        rig.run(50)
    verdicts = [(r.sequence, r.verdict) for r in rig.of_phase(Phase.SCHEDULED)]
    late = Verdict.OUT_OF_ORDER
    assert verdicts == [(0, Verdict.ACCEPTED), (2, Verdict.ACCEPTED), (2, late), (1, late)]


def test_a_new_run_replaces_the_old_for_good(rig):
    new = uuid.UUID(int=2).hex
    rig.send(straight(), 5)
    rig.send(straight(), 0, run_id=new)
    rig.send(straight(), 6)
    verdicts = [r.verdict for r in rig.of_phase(Phase.SCHEDULED)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.OLD_RUN]
    assert RUN in rig.reports[-1].message and new in rig.reports[-1].message
    assert rig.controller.snapshot(rig.now).run_id == new


def test_a_straggler_of_a_run_never_heard_does_not_end_the_one_under_way(rig):
    stray = uuid.UUID(int=3).hex
    seen = rig.now
    rig.run(60)
    rig.send(straight(), 0, stamp_ns=rig.now)
    rig.run(50)
    rig.send(straight(), 9, run_id=stray, stamp_ns=seen)
    assert rig.reports[-1].verdict is Verdict.OLD_RUN and stray in rig.reports[-1].message and RUN in rig.reports[-1].message
    assert "60 ms older" in rig.reports[-1].message
    rig.send(straight(), 1, stamp_ns=rig.now)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED
    rig.send(straight(), 10, run_id=stray, stamp_ns=rig.now)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED and rig.controller.snapshot(rig.now).run_id == stray


def test_a_stop_of_a_run_never_heard_brakes_and_leaves_the_run(rig):
    rig.run(60)
    rig.send(straight(), 0, stamp_ns=rig.now)
    rig.run(50)
    rig.send(np.zeros((0, 8)), 9, run_id=uuid.UUID(int=3).hex, stamp_ns=rig.now - 100 * MS)
    assert rig.reports[-1].verdict is Verdict.BRAKE
    rig.run(500)
    rig.send(straight(), 1, stamp_ns=rig.now)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED


def test_a_run_begun_after_the_clock_was_set_back_is_none_of_before(rig):
    rig.run(5_000)
    rig.send(straight(), 0, stamp_ns=rig.now)
    rig.run(1_000)
    rig.now -= 5_000 * MS
    rig.run(2_500)
    rig.send(straight(), 0, run_id=uuid.UUID(int=3).hex, stamp_ns=rig.now)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED


def test_a_refused_chunk_cannot_begin_a_run(rig):
    rig.send(straight(), 0)
    rig.send(with_value(np.nan), 0, run_id=uuid.UUID(int=3).hex)
    rig.send(straight(), 0, run_id=uuid.UUID(int=4).hex, stamp_ns=rig.now - 5_000 * MS)
    rig.send(straight(), 1)
    verdicts = [r.verdict for r in rig.of_phase(Phase.SCHEDULED)]
    assert verdicts == [Verdict.ACCEPTED, Verdict.NOT_FINITE, Verdict.EXPIRED, Verdict.ACCEPTED]


def test_no_joint_state_yet():
    rig = Rig()
    rig.controller = type(rig.controller)(rig.card, rig.model)
    rig.send(straight())
    assert rig.output.status is ControllerState.WAITING_FOR_STATE
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "panda_joint1" in rig.reports[-1].message


def test_joint_state_too_old(rig):
    rig.now += 260 * MS
    rig.send(straight())
    assert rig.output.status is ControllerState.STALE_STATE
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "260 ms" in rig.reports[-1].message


def test_joint_states_that_say_nothing_are_ignored(rig):
    controller, stamp = rig.controller, rig.now + 10 * MS
    controller.on_joint_state(stamp, ["other_joint"], [0.0], [0.0], stamp)
    controller.on_joint_state(stamp, rig.names, np.full(7, np.nan), np.zeros(7), stamp)
    controller.on_joint_state(rig.now - MS, rig.names, rig.q, rig.q, stamp)
    assert controller.snapshot(stamp).state_age_ns == 10 * MS


def test_names_of_joint_states_may_come_in_any_order(rig):
    order = [3, 0, 6, 1, 5, 2, 4]
    rig.now += 10 * MS
    rig.controller.on_joint_state(
        rig.now, ["finger", *(rig.names[i] for i in order)], [0.02, *rig.q[order]], [0.0] * 8, rig.now
    )
    rig.send(straight())
    np.testing.assert_array_equal(rig.trajectories[0].positions[0], rig.q)


def test_stopped(rig):
    rig.take(rig.controller.stop(rig.now))
    rig.send(straight())
    assert rig.output.status is ControllerState.STOPPED and rig.reports[-1].verdict is Verdict.STOPPED
    rig.take(rig.controller.resume(rig.now))
    rig.send(straight(), 1)
    assert rig.output.status is ControllerState.TRACKING and len(rig.trajectories) >= 1
