"""A trajectory controller that is not active, or did not hear: nothing leaps when it is there again."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, straight
from following import CYCLE, Bench

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.intake.trajectory_controllers import TrajectoryControllers

ACROSS, BACK = straight((0.0, 0.25, 0.0)), straight((0.0, -0.25, 0.0))


def moving(ms=400, **options):
    bench = Bench(references=True, **options)
    bench.run(120)
    bench.send(ACROSS)
    bench.run(ms)
    return bench


def largest_speed_change(bench, since):
    speeds = np.diff(np.array(bench.setpoints[since - 2 :]), axis=0) / (CYCLE * 1e-9)
    return float(np.abs(np.diff(speeds, axis=0)).max())


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_silence_is_a_state_of_its_own_and_chunks_and_home_are_refused_in_words(rule):
    bench = moving(rule=rule)
    bench.activate(False)
    bench.run(240)
    assert ControllerState.SILENT_CONTROLLER not in bench.states
    bench.run(60)
    assert bench.states[-1] is ControllerState.SILENT_CONTROLLER
    (report,) = bench.send(BACK, 1).reports[:1]
    assert report.verdict is Verdict.NO_STATE and "of arm arm has" in report.message and "activate it" in report.message
    home = bench.take(bench.controller.home(bench.clock()))
    assert not home.accepted and "has fallen silent" in home.message
    assert "has fallen silent" in bench.controller.snapshot(bench.clock()).message
    assert bench.take(bench.controller.stop(bench.clock())).accepted, "a stop is never refused"
    said = bench.controller.snapshot(bench.clock())
    assert said.state is ControllerState.STOPPED and "vla/stop is latched" in said.message and "activate it" in said.message


MOMENTS = 10
"""Of each rule; each takes a second. With 50 the test holds as well."""


def off_and_on(rule, off, back):
    """Chunks keep coming at 5 Hz. The largest change of speed in a cycle since the activation, and the states."""
    bench, sequence = moving(100, rule=rule), 1
    since = len(bench.setpoints)
    for tick in range(0, 2400, 10):
        if off is not None and tick == off:
            bench.activate(False)
        if off is not None and tick == off + back:
            bench.activate(True)
            since = len(bench.setpoints)
        if tick % 200 == 0:
            bench.send((ACROSS, BACK)[sequence % 2], sequence)
            sequence += 1
        bench.run(10)
    bench.run(2500)
    return largest_speed_change(bench, since), bench


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_deactivated_and_activated_at_random_moments_nothing_leaps(rule):
    usual, _ = off_and_on(rule, None, 0)
    draw = np.random.default_rng(7)
    for k in range(MOMENTS):
        off, back = 10 * int(draw.integers(0, 90)), 10 * int(draw.integers(1, 90))
        change, bench = off_and_on(rule, off, back)
        assert change <= 1.3 * usual, (k, off, back)  # under splice each change costs a control period, wherever it falls
        assert bench.states[-1] is ControllerState.IDLE, (k, off, back)
        assert bench.send(ACROSS, 99).reports[0].verdict is Verdict.ACCEPTED, (k, off, back)


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_one_whose_words_alone_were_lost_is_braked_on_its_plan(rule):
    bench = Bench(references=True, rule=rule, speed_scale=0.3)
    bench.run(120)
    bench.q[0] += 1.0
    bench.jtc.reset()
    bench.run(400)
    assert bench.take(bench.controller.home(bench.clock())).accepted
    bench.run(600)
    bench.controller._motion.brake = lambda *arguments: None  # there is no way to brake at that moment
    bench.references = False
    bench.run(300)
    assert ControllerState.SILENT_CONTROLLER in bench.states
    bench.references = True
    bench.run(20)
    del bench.controller._motion.brake
    since = len(bench.setpoints)
    assert bench.take(bench.controller.stop(bench.clock())).accepted
    bench.run(900)
    assert np.abs(bench.setpoints[-1] - bench.setpoints[-50]).max() == 0.0 and bench.setpoints[-1][0] - HOME[0] > 0.1
    assert largest_speed_change(bench, since) < (0.1 if rule == "legacy" else 1.5)


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_after_an_activation_chunks_begin_where_the_arm_stands(rule):
    bench = moving(rule=rule)
    bench.activate(False)
    bench.run(600)
    bench.activate(True)
    bench.run(300)
    since, stood = len(bench.setpoints), bench.setpoints[-1]
    (report, *_) = bench.send(BACK, 1).reports
    assert report.verdict is Verdict.ACCEPTED
    bench.run(60)
    assert bench.largest_step(since) < 1e-3 and np.abs(bench.setpoints[-1] - stood).max() < 0.02
    bench.run(500)
    assert np.abs(bench.setpoints[-1] - stood).max() > 0.02, "and it moves"


@pytest.mark.parametrize("off", [0.013, 0.0002])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
@pytest.mark.parametrize("what", ["chunk", "home"])
def test_a_controller_that_missed_messages_is_not_led_back_by_a_leap(rule, off, what):
    bench = Bench(references=True, rule=rule)
    bench.run(120)
    bench.send(straight((0.0, 0.02, 0.0)))
    bench.run(2500)
    stood = bench.setpoints[-1] + off * np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    bench.q = stood.copy()
    bench.jtc.reset()  # it holds there: what moved it there was not heard here
    bench.run(200)
    assert bench.controller.snapshot(bench.clock()).state is ControllerState.IDLE
    since = len(bench.setpoints)
    if what == "chunk":
        assert bench.send(BACK, 1).reports[0].verdict is Verdict.ACCEPTED
    else:
        assert bench.take(bench.controller.home(bench.clock())).accepted
    bench.run(60)
    assert largest_speed_change(bench, since) < 0.05


def test_one_that_was_never_heard_is_not_missed():
    rig = Rig()
    rig.run(2000)
    assert rig.controller.snapshot(rig.now).state is ControllerState.IDLE
    assert rig.send(ACROSS).reports[0].verdict is Verdict.ACCEPTED


def test_a_dry_run_sends_nothing_and_misses_nobody():
    bench = Bench(references=True, dry_run=True)
    bench.run(120)
    bench.activate(False)
    bench.run(500)
    assert bench.states[-1] is ControllerState.IDLE


@pytest.mark.parametrize("by_ms", [-3000, 3000])
def test_a_clock_that_is_set_makes_nobody_silent(by_ms):
    bench = moving(2500)
    bench.lead_ns += by_ms * MS
    bench.run(400)
    assert ControllerState.SILENT_CONTROLLER not in bench.states
    bench.activate(False)
    bench.run(400)
    assert bench.states[-1] is ControllerState.SILENT_CONTROLLER


def test_two_arms_are_named_and_a_set_point_stands_when_it_has_for_100_ms():
    controllers = TrajectoryControllers(["left", "right"])
    for at, q in ((0, HOME), (60, HOME + 0.1), (120, HOME + 0.1)):
        assert not controllers.hear(1, at * MS)
        controllers.set_point(1, q, (at - 5) * MS, at * MS)
    assert not controllers.stands(1, 159 * MS) and controllers.stands(1, 160 * MS)
    ((arm, q, stamp),) = controllers.fresh(161 * MS)
    assert (arm, stamp) == (1, 115 * MS) and np.array_equal(q, HOME + 0.1)
    assert not list(controllers.fresh(221 * MS))
    assert controllers.fell_silent(370 * MS) == [] and controllers.fell_silent(371 * MS) == ["right"]
    assert controllers.fell_silent(372 * MS) == [] and "arm right has" in controllers.in_words()
    controllers.hear(0, 400 * MS)
    assert controllers.fell_silent(700 * MS) == ["left"] and "arms left, right have" in controllers.in_words()
    assert controllers.hear(0, 701 * MS) and controllers.silent == [False, True]


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_a_word_that_is_there_when_its_silence_would_be_noticed_is_heard_first(rule):
    """Activated again at the end of the silence that is allowed: a stop on the plan would make it leap from where it holds."""
    bench = moving(rule=rule)
    bench.activate(False)
    bench.run(244)
    assert ControllerState.SILENT_CONTROLLER not in bench.states
    silent_since = bench.clock() - 244 * MS
    bench.activate(True)
    held = [bench.cycle() for _ in range(6)][-1]
    now = bench.clock()
    bench.controller.on_joint_state(now, bench.names, bench.q, bench.v, now)
    output = bench.take(bench.controller.on_controller_state(0, bench.names, held, 1.0, now, now))
    assert not output.trajectories
    reports = output.reports + bench.take(bench.controller.tick(now)).reports
    (closed,) = [r for r in reports if r.phase is Phase.CLOSED]
    assert "had left it" in closed.message and 0 < closed.last_executed_ns <= silent_since
    since = len(bench.setpoints)
    bench.run(300)
    assert bench.largest_step(since) < 1e-9, "it stands where it was activated"
    assert bench.send(BACK, 1).reports[0].verdict is Verdict.ACCEPTED
    bench.run(2500)
    assert largest_speed_change(bench, since) < 0.1


def test_one_that_moved_all_the_time_and_was_only_not_heard_goes_on():
    bench = moving()
    bench.references = False
    bench.run(244)
    for _ in range(6):
        bench.cycle()
    now = bench.clock()
    bench.controller.on_joint_state(now, bench.names, bench.q, bench.v, now)
    output = bench.take(bench.controller.on_controller_state(0, bench.names, bench.q, 1.0, now, now))
    assert not output.trajectories and bench.controller.snapshot(now).state is ControllerState.TRACKING


def test_a_motion_begins_where_a_controller_has_shown_that_it_stands_not_where_it_was_first_heard():
    """An arm that was braked unheard may be on its way yet, so slowly that as measured it stands."""
    bench = Bench(sag=0.002)
    bench.run(120)

    def says(at):
        now = bench.clock()
        return bench.take(bench.controller.on_controller_state(0, bench.names, at, 1.0, now, now)).reports

    says(HOME)
    assert not bench.send(straight()).reports, "it waits"
    bench.run(20)
    (refused, _) = says(HOME + 1e-4)
    assert refused.verdict is Verdict.NO_STATE and "moves" in refused.message
    bench.run(200)
    says(HOME + 1e-4)
    (accepted,) = bench.send(straight(), 1).reports
    assert accepted.verdict is Verdict.ACCEPTED
    np.testing.assert_allclose(bench.sent[0].positions[0], HOME + 1e-4, atol=1e-9)
