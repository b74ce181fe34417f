"""What continues a motion waits for the trajectory controller's word that it still follows it."""

import numpy as np
import pytest
from cells import MS, straight
from following import CYCLE, Bench

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState

EVERY = 20 * MS


def stream(bench, ms, sequence=0, every_ms=100):
    """Chunks that go on and on, and what was reported of them."""
    reports = []
    for i in range(ms // every_ms):
        reports += bench.send(straight((0.0, 0.1 if (sequence + i) // 12 % 2 else -0.1, 0.0)), sequence + i).reports
        bench.run(every_ms)
    return reports


def leaps(setpoints):
    """Steps of a set point beyond those of 2 rad/s [rad], but where a controller that is switched off stands at once."""
    steps = np.abs(np.diff(np.array(setpoints), axis=0)).max(axis=1)
    return steps[steps > 2.0 * CYCLE * 1e-9]


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_switched_off_and_on_at_random_it_never_leaps(rule):
    """Short ones, too short for silence to be told: every one of them loses what was sent meanwhile."""
    draw = np.random.default_rng(3)
    bench = Bench(rule=rule, references=True, every_ns=EVERY)
    bench.run(120)
    for i in range(60):
        stream(bench, 300, 100 * i, 20)
        bench.activate(False)
        since = len(bench.setpoints)
        bench.run(2 * int(draw.integers(10, 110)))
        bench.activate(True)
        bench.run(2 * int(draw.integers(0, 12)))
        stream(bench, 200, 100 * i + 50, 20)
        assert not len(leaps(bench.setpoints[since:])), f"switching {i}"
    assert bench.controller.snapshot(bench.clock()).counts.chunks_accepted > 400, "and it goes on between them"


@pytest.mark.parametrize(("every_ms", "late_ms"), [(4, 0), (20, 0), (50, 0), (20, 28), (4, 60)])
def test_a_controller_that_follows_holds_nothing_back(every_ms, late_ms):
    """However late its states are heard, as long as they keep coming."""
    bench = Bench(references=True, every_ns=every_ms * MS, late_ns=late_ms * MS)
    bench.run(120)
    stream(bench, 1000, 100)
    reports = stream(bench, 3000, 200)
    assert [r.verdict for r in reports if r.phase is Phase.SCHEDULED] == [Verdict.ACCEPTED] * 30, "each at once"


def test_a_chunk_waits_for_the_next_state_and_is_planned_then():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 500)
    bench.references = False  # a state or two are late
    bench.run(40)
    held = bench.send(straight((0.0, -0.1, 0.0)), 10)
    assert not held.reports and not held.trajectories
    bench.references = True
    sent = len(bench.sent)
    bench.run(40)
    assert len(bench.sent) == sent + 1


def test_a_chunk_that_waits_is_superseded_by_the_next_and_is_void_after_a_stop():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 500)
    bench.references = False
    bench.run(40)
    bench.send(straight((0.0, -0.1, 0.0)), 10)
    reports = bench.send(straight((0.0, -0.1, 0.0)), 11).reports
    assert {(r.sequence, r.verdict) for r in reports} == {(10, Verdict.SUPERSEDED)}
    reports = bench.take(bench.controller.stop(bench.clock())).reports
    assert (11, Verdict.STOPPED) in {(r.sequence, r.verdict) for r in reports}
    bench.take(bench.controller.resume(bench.clock()))
    bench.references = True
    bench.run(800)
    assert np.abs(bench.v).max() < 1e-9, "what waited does not come after the stop"


@pytest.mark.parametrize("rule", ["legacy", "splice"])
@pytest.mark.parametrize("seed", [0, 3])
def test_messages_that_are_lost_make_no_leap(rule, seed):
    """It goes on with an older message, and neither the next chunk nor the brake takes it to where it never was."""
    draw = np.random.default_rng(seed)
    bench = Bench(rule=rule, references=True, every_ns=EVERY)
    bench.run(120)
    for i in range(60):
        bench.hears = draw.random() > 0.25
        bench.send(straight((0.0, draw.uniform(-0.2, 0.2), draw.uniform(-0.1, 0.1))), i)
        bench.hears = True
        bench.run(100)
    assert ControllerState.DESYNC in bench.states
    assert np.abs(np.diff(np.array(bench.setpoints), n=2, axis=0)).max() < 2e-3, "[rad] from one cycle to the next"


@pytest.mark.parametrize("after_ms", [30, 60, 120])
@pytest.mark.parametrize("lost", ["message", "plan"])
def test_a_stop_takes_it_from_where_it_says_that_it_is(lost, after_ms):
    """Its message was lost, or it has dropped all: a stop along the plan would be a leap of as much as they differ."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(400)
    if lost == "message":
        bench.hears = False
        bench.send(straight((0.0, -0.25, 0.0)), 1)
        bench.hears = True
        bench.run(240)
    else:
        bench.jtc.reset()
    since = len(bench.setpoints)
    bench.run(after_ms)
    bench.take(bench.controller.stop(bench.clock()))
    bench.run(1200)
    assert np.abs(np.diff(np.array(bench.setpoints[since:]), n=2, axis=0)).max() < 3e-3
    assert np.abs(bench.v).max() < 1e-9 and bench.states[-1] is ControllerState.STOPPED


@pytest.mark.parametrize("gap_ms", [0, 40, 100])
def test_a_chunk_that_was_dropped_is_not_reported_as_executed(gap_ms):
    """Though no newer chunk comes: its report says how far it got, and the status no longer that it is tracked."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    bench.send(straight((0.0, 0.1, 0.0)))
    bench.run(500)
    bench.activate(False)
    bench.run(gap_ms)
    bench.activate(True)
    reports, take = [], bench.take
    bench.take = lambda output: reports.extend(output.reports) or take(output)
    bench.run(400)
    (closed,) = [r for r in reports if r.phase is Phase.CLOSED]
    assert "had dropped it" in closed.message and 3 <= closed.steps_executed <= 8
    assert ControllerState.DESYNC in bench.states and bench.states[-1] is ControllerState.IDLE
    assert bench.controller.snapshot(bench.clock()).tracking_error < 0.01


def test_a_controller_that_ignores_all_is_named_though_it_speaks():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 500)
    bench.hears = False
    since = len(bench.states)
    stream(bench, 4000, 10)
    named = [state for before, state in zip(bench.states[since:], bench.states[since + 1 :]) if before is not state]
    assert named.count(ControllerState.DESYNC) >= 3 and bench.largest_step(-100) < 1e-9


def test_nothing_starts_from_rest_while_a_trajectory_controller_goes_on_with_what_it_has():
    """Slow enough to pass for rest by its measured speed, as at the end of an older motion."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    bench.send(straight((0.0, 0.06, 0.0)))
    bench.run(500)
    bench.controller._arms.forget()
    since, reports = len(bench.setpoints), []
    for sequence in range(1, 40):
        reports += bench.send(straight((0.0, -0.06, 0.0)), sequence).reports
        bench.run(50)
    steps = np.diff(np.array(bench.setpoints[since - 2 :]), axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() / (CYCLE * 1e-9) ** 2 < 20.0, "no leap"
    first, *others = [r for r in reports if r.phase is Phase.SCHEDULED]
    assert first.verdict is Verdict.NO_STATE and "moves, by what its trajectory controller was sent before" in first.message
    assert Verdict.ACCEPTED in {r.verdict for r in others}


def test_nothing_starts_from_rest_before_a_controller_that_spoke_has_spoken_again():
    """It is between two words, or its words are lost: whether it stands is not known."""
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(200)
    bench.references = False
    bench.run(130)
    assert not bench.send(straight((0.0, 0.06, 0.0))).reports, "it waits"
    home = bench.take(bench.controller.home(bench.clock()))
    assert not home.accepted and "has said nothing for 130 ms" in home.message
    bench.references = True
    bench.run(40)
    assert bench.controller.snapshot(bench.clock()).state is ControllerState.TRACKING


def test_the_first_motion_begins_where_the_trajectory_controller_holds_the_arm_that_sags_below():
    bench = Bench(references=True, every_ns=EVERY)
    bench.jtc.update(bench.clock(), CYCLE, bench.q, bench.v)
    bench.blocked = True
    bench.q = bench.q - 0.004
    bench.run(200)
    since = len(bench.setpoints)
    assert bench.send(straight((0.0, 0.1, 0.0))).reports[0].verdict is Verdict.ACCEPTED
    bench.run(60)
    assert bench.largest_step(since) < 1e-3


def test_a_status_that_says_desync_in_words_says_so_in_its_state():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 500)
    bench.hears = False
    told = []
    for sequence in range(5, 305):
        stream(bench, 10, sequence, every_ms=10)
        snapshot = bench.controller.snapshot(bench.clock())
        if "is not where its trajectory controller" in snapshot.message:
            told.append(snapshot.state)
    assert len(told) > 3 and set(told) == {ControllerState.DESYNC}


def test_resume_says_what_else_keeps_the_arm_still():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 300)
    bench.activate(False)
    bench.run(500)
    bench.take(bench.controller.stop(bench.clock()))
    said = bench.take(bench.controller.resume(bench.clock())).message
    assert said.startswith("the stop is released; but the trajectory controller of arm arm has fallen silent")
    said = bench.take(bench.controller.resume(bench.clock())).message
    assert said.startswith("no stop was latched; but the trajectory controller of arm arm has fallen silent")
    bench.activate(True)
    bench.run(200)
    bench.take(bench.controller.stop(bench.clock()))
    assert bench.take(bench.controller.resume(bench.clock())).message == "ready for chunks"


def test_a_way_home_that_was_dropped_is_given_up():
    bench = Bench(references=True, every_ns=EVERY)
    bench.q[0] += 0.3
    bench.run(150)
    assert bench.take(bench.controller.home(bench.clock())).accepted
    bench.run(300)
    bench.jtc.reset()
    bench.run(300)
    assert bench.states[-1] is ControllerState.IDLE
    assert bench.take(bench.controller.home(bench.clock())).accepted
    bench.run(3000)
    assert np.abs(bench.q - bench.controller._arms.arms[0].home).max() < 1e-6


def test_home_is_not_planned_on_a_motion_that_may_have_been_dropped():
    bench = Bench(references=True, every_ns=EVERY)
    bench.run(120)
    stream(bench, 500)
    bench.references = False
    bench.run(40)
    asked = bench.take(bench.controller.home(bench.clock()))
    assert not asked.accepted and "has said nothing for" in asked.message and "ask again" in asked.message
