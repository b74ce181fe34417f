"""Whatever a chunk asks for, the arm rests when max_open_loop has passed since its observation: judged from messages alone."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, make_card, straight
from test_action_spaces import SPACES, actions_in, swing

from vla_contract.report import Phase, Verdict
from vla_motion.spline import SplineTrajectory

LIMIT_MS = 2000


def last_motion_ns(messages, arrived_ns: int) -> int:
    """When the newest message has the arm at rest for good."""
    curve = SplineTrajectory.from_trajectory(messages[-1], messages[-1].stamp_ns or arrived_ns)
    assert not curve.velocities[-1].any() and not curve.accelerations[-1].any()
    return curve.end_ns


@pytest.mark.parametrize("delay_ms", [0, 100, 700])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.05])
@pytest.mark.parametrize("space", SPACES)
def test_from_rest_in_every_space_at_every_speed(space, scale, delay_ms):
    rig = Rig(make_card(space), speed_scale=scale)
    stamp_ns = rig.now
    rig.run(delay_ms)
    q, T = swing(rig.model, HOME)
    rig.send(actions_in(space, rig.model, q, T, HOME, HOME), stamp_ns=stamp_ns, reference_positions=HOME)
    assert rig.of_phase(Phase.SCHEDULED)[0].verdict is Verdict.ACCEPTED
    assert last_motion_ns(rig.arm_messages, rig.now) <= stamp_ns + LIMIT_MS * MS
    rig.run(2500)
    closed = rig.of_phase(Phase.CLOSED)[0]
    assert closed.steps_executed + closed.steps_superseded + closed.steps_skipped == 16


@pytest.mark.parametrize("rule", ["legacy", "splice"])
@pytest.mark.parametrize("speed", [0.1, 0.5])
def test_chunk_after_chunk_and_when_they_stop_coming(rule, speed):
    rig = Rig(make_card(rule=rule))
    for sequence, delay_ms in enumerate((30, 250, 120, 400, 60)):
        stamp_ns = rig.now
        rig.run(delay_ms)
        way = straight((0.0, speed * (-1) ** sequence, 0.0))
        rig.send(way, sequence, stamp_ns=stamp_ns, valid_for_ns=4_000 * MS)
        scheduled = rig.of_phase(Phase.SCHEDULED)[-1]
        assert scheduled.verdict is Verdict.ACCEPTED
        assert last_motion_ns(rig.arm_messages, rig.now) <= stamp_ns + LIMIT_MS * MS
        rig.run(200)
    rig.now = stamp_ns + LIMIT_MS * MS
    assert np.abs(rig.controller.commanded_at(rig.now)[1]).max() == 0.0


def test_what_fits_with_a_shorter_stop_is_done_whole():
    """16 steps of 0.1 s, planned 80 ms after their observation, leave 0.32 s: less than the stop of 0.4 s that is the rule."""
    rig = Rig()
    stamp_ns = rig.now
    rig.run(60)
    rig.send(straight((0.0, 0.1, 0.0)), stamp_ns=stamp_ns, valid_for_ns=4_000 * MS)
    scheduled = rig.of_phase(Phase.SCHEDULED)[0]
    assert scheduled.clamps == () and scheduled.verdict is Verdict.ACCEPTED
    start = rig.tool()[1, 3]
    rig.run(2500)
    assert rig.of_phase(Phase.CLOSED)[0].steps_executed == 16
    assert rig.tool()[1, 3] - start == pytest.approx(0.16, abs=0.02)


def test_what_does_not_fit_is_told_as_clamped_step_by_step():
    rig = Rig(speed_scale=0.5)
    rig.send(straight((0.0, 0.1, 0.0)), valid_for_ns=4_000 * MS)
    clamps = rig.of_phase(Phase.SCHEDULED)[0].clamps
    assert {clamp.limit for clamp in clamps} == {"open_loop"}
    assert [clamp.step for clamp in clamps] == list(range(7, 16)), "of 2 s, 0.4 s are for the stop, and steps take 0.2 s"


def test_a_card_whose_limit_is_short_still_moves():
    card = make_card()
    card = card.model_copy(update={"max_open_loop": 0.5})
    rig = Rig(card)
    stamp_ns = rig.now
    rig.send(straight((0.0, 0.05, 0.0)))
    assert rig.of_phase(Phase.SCHEDULED)[0].verdict is Verdict.ACCEPTED
    assert last_motion_ns(rig.arm_messages, rig.now) <= stamp_ns + 500 * MS
    start = rig.tool(stamp_ns)[1, 3]
    rig.run(600)
    assert rig.tool()[1, 3] - start > 0.008


def test_too_late_for_a_stop_is_refused_in_words():
    rig = Rig()
    stamp_ns = rig.now
    rig.run(1_900)
    rig.send(straight((0.0, 0.1, 0.0)), stamp_ns=stamp_ns, valid_for_ns=4_000 * MS)
    scheduled = rig.of_phase(Phase.SCHEDULED)[0]
    assert scheduled.verdict is Verdict.EXPIRED and "at rest by the open-loop limit" in scheduled.message
    assert not rig.arm_messages
