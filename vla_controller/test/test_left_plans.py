"""What states of trajectory controllers tell, and what they do not: found by the fuzz in which these speak."""

import numpy as np
import pytest
from cells import HOME, MS, straight
from following import Bench

from vla_contract.report import Phase
from vla_contract.status import ControllerState
from vla_controller.intake.confirmation import Confirmation, _Seen
from vla_controller.planning.timeline import Timeline

EVERY = 20 * MS
_SMOOTH = 2e-4
"""[rad] of a change of speed from one cycle of 2 ms to the next: 50 rad/s^2, more than any limit."""


def bends(bench, since):
    """The largest change of a set point's step from cycle to cycle [rad]."""
    return np.abs(np.diff(np.array(bench.setpoints[since - 2 :]), n=2, axis=0)).max()


@pytest.mark.parametrize("after_ms", [60, 80, 100, 140])
def test_stamps_of_a_clock_that_differs_do_not_pass_for_a_plan_that_was_left(after_ms):
    """While an arm speeds up from rest, its lag tells badly how far its controller's clock is off."""
    bench = Bench(references=True, every_ns=EVERY, late_ns=16 * MS, ahead_ns=16 * MS)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(after_ms)
    since = len(bench.setpoints)
    assert bench.take(bench.controller.stop(bench.clock())).accepted
    bench.run(400)
    assert bends(bench, since) < _SMOOTH and ControllerState.DESYNC not in bench.states


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_states_that_fall_silent_do_not_make_a_slow_arm_leap_to_where_it_is_measured(rule):
    bench = Bench(rule=rule, references=True, sag=0.003, speed_scale=0.05)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(900)
    since = len(bench.setpoints)
    bench.references = False
    bench.run(400)
    assert ControllerState.SILENT_CONTROLLER in bench.states
    assert bench.largest_step(since) < 1e-4


def second_lost():
    """A bench on its way, what a second chunk made that did not arrive, and all reports from then on."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    bench.send(straight((0.0, 0.10, 0.0)))
    bench.run(240)
    bench.hears = False
    lost = bench.send(straight((0.0, 0.06, 0.0)), 1)
    bench.hears = True
    reports, take = list(lost.reports), bench.take
    bench.take = lambda output: reports.extend(output.reports) or take(output)
    return bench, lost, reports


def test_a_chunk_whose_message_was_lost_is_not_reported_as_executed_though_it_was_nearly_the_same():
    """It is within the tolerance of tracking all the time, so nothing brakes it; but none of its steps was done."""
    bench, _, reports = second_lost()
    bench.run(2500)
    (closed,) = [r for r in reports if r.phase is Phase.CLOSED and r.sequence == 1]
    assert closed.steps_executed <= 3 and closed.message


def test_what_was_due_before_a_message_came_late_is_not_reported_as_executed():
    """The trajectory controller has joined the plan by the end of the chunk, with a leap: that word alone does not count."""
    bench, late, reports = second_lost()
    bench.run(400)
    assert bench.jtc.submit(late.trajectories[0], bench.clock()).accepted
    bench.run(2000)
    (closed,) = [r for r in reports if r.phase is Phase.CLOSED and r.sequence == 1]
    assert closed.steps_executed <= 3 and "had left it" in closed.message
    assert closed.steps_executed + closed.steps_skipped + closed.steps_superseded == 16


def moving(speed=0.4):
    """A plan of one arm that goes at an even speed for 2 s, from 1 s on."""
    q = np.zeros((3, 7))
    q[1:, 0] = speed * 2.0, speed * 2.0 + 1e-3
    v = np.zeros((3, 7))
    v[:2, 0] = speed
    times = np.array([1_000, 3_000, 3_010]) * MS
    return Timeline(times, q, v, np.zeros((3, 7)))


def heard(plan, lead_ms, count, confirmation=None, first=0):
    """A controller that follows, and whose stamps are lead_ms behind its set points."""
    confirmation = confirmation or Confirmation(["arm"])
    for k in range(first, first + count):
        stamp = (1_100 + 20 * k) * MS
        confirmation.see(0, plan.sample(stamp + int(lead_ms * MS))[0], stamp, stamp, plan, slice(0, 7))
    return confirmation


def test_one_that_stands_near_its_plan_does_not_teach_what_its_stamps_are_of():
    seen = _Seen(0, None, 0)
    for shown in (2e6, 2.4e6, -30e6, 2e6, -30e6):
        seen.learn(shown)
    assert 1.9e6 < seen.lead_ns < 2.5e6
    seen.learn(None)
    for _ in range(8):
        seen.learn(-6e6)
    assert seen.lead_ns > 1.9e6, "on its way a message that was lost looks like that"
    seen.rest()
    assert seen.lead_ns is None, "at rest on its plan it does not: a clock was set"


@pytest.mark.parametrize("back_ms", [60, None], ids=["a little ahead", "an hour ahead"])
def test_states_that_were_on_their_way_when_the_clock_was_set_teach_nothing(back_ms):
    """Their stamps are of the time before; where these cannot be, they are taken to be of when they were heard."""
    plan = moving()
    confirmation = heard(plan, 2, 10)
    confirmation.forget(1_290 * MS)
    for heard_ns in (1_300 * MS, 1_320 * MS, 1_340 * MS):
        q = plan.sample(heard_ns - 40 * MS)[0]
        stamp_ns = heard_ns if back_ms is None else heard_ns - 40 * MS - back_ms * MS
        confirmation.see(0, q, stamp_ns, heard_ns, plan, slice(0, 7), stamped=back_ms is not None)
    for k in range(17, 40):
        heard(plan, 2, 1, confirmation, k)
        assert not confirmation.is_off(0)
    assert not confirmation.missing(1_890 * MS)


def test_a_clock_that_was_set_at_the_other_end_is_learnt_anew():
    plan = moving()
    confirmation = heard(plan, 2, 10)
    assert not confirmation.is_off(0) and not confirmation.missing(1_280 * MS)
    heard(plan, 8, 3, confirmation, 10)
    assert confirmation.is_off(0)
    heard(plan, 8, 97, confirmation, 13)
    assert not confirmation.is_off(0), "at rest"
    again = moving()
    again = again.shifted(2_400 * MS)
    heard(again, 8, 20, confirmation, 125)
    assert not confirmation.is_off(0), "and on its next way"


def test_a_state_that_was_overtaken_does_not_hide_that_the_plan_was_left():
    plan = moving()
    confirmation = heard(plan, 2, 10)
    stamp = 1_320 * MS
    confirmation.see(0, HOME, stamp, stamp, plan, slice(0, 7))
    assert confirmation.is_off(0)
    confirmation.see(0, plan.sample(stamp - 10 * MS)[0], stamp - 10 * MS, stamp, plan, slice(0, 7))
    assert confirmation.is_off(0) and confirmation.missing(stamp)
    assert confirmation.last_word_ns(0) == 1_280 * MS


def test_a_stop_from_what_is_told_leaves_an_arm_on_its_plan_until_then():
    """Two arms share one timeline: the one that follows must not bend where the other is braked from elsewhere."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(100)
    arms, now = bench.controller._arms, bench.clock()
    plan, begin = arms.timeline, now + 32 * MS
    assert np.abs(plan.sample(begin)[2]).max() > 0.05
    assert arms.brake_from(now, begin, plan.sample)
    for at in np.arange(now, begin + 1, MS):
        for was, is_now in zip(plan.sample(int(at)), arms.timeline.sample(int(at))):
            np.testing.assert_allclose(is_now, was, atol=1e-9)


@pytest.mark.parametrize("every_ms", [2, 20])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_what_a_controller_says_of_itself_counts_where_joint_states_stay_away(rule, every_ms):
    """It never got the second chunk. When the states stay away it is stopped from where it goes, not from where that would be."""
    bench = Bench(rule=rule, references=True, every_ns=every_ms * MS)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(300)
    since = len(bench.setpoints)
    bench.hears = False
    bench.send(straight((0.0, -0.25, 0.0)), 1)
    bench.hears = True
    bench.states_come = False
    bench.run(600)
    assert bench.controller.snapshot(bench.clock()).state is ControllerState.STALE_STATE
    assert np.abs(bench.jtc.command[1]).max() == 0.0, "it has been stopped"
    assert bends(bench, since) < 2 * _SMOOTH, "carried on from states that are 20 ms apart"
