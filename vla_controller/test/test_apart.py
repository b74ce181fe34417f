"""An arm that is not where the plan is: whoever says so, it is noticed, and nothing sets it in motion."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card, straight
from following import CYCLE, Bench

from vla_contract.report import Verdict
from vla_contract.status import ControllerState


def moving(ms=200, **options):
    bench = Bench(**options)
    bench.run(120)
    bench.send(straight((0.0, 0.25, 0.0)))
    bench.run(ms)
    return bench


@pytest.mark.parametrize("references", [False, True])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_an_arm_that_stops_following_is_noticed_although_its_controller_is_on_the_plan(rule, references):
    bench = moving(rule=rule, references=references)
    bench.blocked = True
    bench.run(900)
    assert ControllerState.DESYNC in bench.states
    off = np.abs(np.array(bench.setpoints) - bench.q).max(axis=1)
    assert off.max() < 0.35, "it does not go on to its end"
    bench.run(1500)
    assert np.abs(bench.jtc.command[0] - bench.q).max() < 1e-9, "the force goes: it is held where it stands"
    bench.blocked = False
    bench.send(straight((0.0, -0.1, 0.0)), 1)
    bench.run(300)
    assert bench.states[-1] is ControllerState.TRACKING, "at rest, and where it is commanded to be, it is ready again by itself"


def test_a_reference_off_the_plan_is_noticed_although_the_arm_is_on_it():
    rig = Rig()
    rig.send(straight((0.0, 0.25, 0.0)))
    rig.run(300)
    for _ in range(10):
        rig.now += 10 * MS
        rig.state()
        off = rig.controller.commanded_at(rig.now)[0] + 0.5
        rig.take(rig.controller.on_controller_state(0, rig.names, off, 1.0, rig.now))
    assert rig.controller.snapshot(rig.now).state is ControllerState.DESYNC
    assert rig.controller.snapshot(rig.now).tracking_error > 0.3


@pytest.mark.parametrize(("stop", "references"), [(0, False), (0, True), (700, False), (150, True), (420, True)])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_a_controller_that_dropped_the_plan_is_not_driven_back_to_it(rule, stop, references):
    """After a protective stop, or a tolerance of its own: it holds, and a brake along the plan would leap to it."""
    bench = moving(500, rule=rule, references=references)
    bench.jtc.reset()
    since = len(bench.setpoints)
    bench.run(stop or 1800)
    if stop:
        bench.take(bench.controller.stop(bench.clock()))
        bench.run(1000)
    else:
        assert ControllerState.DESYNC in bench.states
    assert bench.largest_step(since) < 1e-6
    assert bench.states[-1] is (ControllerState.STOPPED if stop else ControllerState.IDLE)


def test_an_arm_that_lags_is_braked_along_the_plan():
    bench = moving(500)
    since = len(bench.setpoints)
    bench.take(bench.controller.stop(bench.clock()))
    bench.run(600)
    assert bench.largest_step(since) < 2.2 * CYCLE * 1e-9
    assert np.abs(np.diff(np.array(bench.setpoints[-2:]), axis=0)).max() == 0.0


def set_while(bench, by_ns, within):
    """The clock is set during the next call of a method of the core's parts."""
    owner, name = within
    original = getattr(owner, name)

    def slow(*arguments, **options):
        result = original(*arguments, **options)
        setattr(owner, name, original)
        bench.cycle()
        bench.lead_ns += by_ns
        bench.cycle()
        return result

    setattr(owner, name, slow)


@pytest.mark.parametrize("by_ms", [-3_600_000, -500, -50, 50, 500, 3_600_000])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_a_clock_that_is_set_while_a_chunk_is_planned_makes_no_step(rule, by_ms):
    bench = moving(400, rule=rule)
    since, sent = len(bench.setpoints), len(bench.sent)
    set_while(bench, by_ms * MS, (bench.controller._stitcher, "plan"))
    output = bench.send(straight((0.0, 0.25, 0.0)), 1)
    (report,) = [r for r in output.reports if r.sequence == 1][:1]
    assert report.verdict is Verdict.INFEASIBLE and "set while" in report.message
    assert len(bench.sent) == sent
    bench.run(2500)
    speeds = np.diff(np.array(bench.setpoints[since - 1 :]), axis=0) / (CYCLE * 1e-9)
    assert np.abs(np.diff(speeds, axis=0)).max() < 0.05 and np.abs(speeds[-1]).max() == 0.0


@pytest.mark.parametrize("by_ms", [-3_600_000, -500, 500, 3_600_000])
@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_a_clock_that_is_set_while_a_stop_is_planned_does_not_lose_the_stop(rule, by_ms):
    leaps = []
    for set_ms in (0, by_ms):
        bench = moving(400, rule=rule)
        since, sent = len(bench.setpoints), len(bench.sent)
        set_while(bench, set_ms * MS, (bench.controller._arms.ways, "stop"))
        bench.take(bench.controller.stop(bench.clock()))
        bench.run(20)
        assert len(bench.sent) == sent + 1
        bench.run(500)
        speeds = np.diff(np.array(bench.setpoints[since - 1 :]), axis=0) / (CYCLE * 1e-9)
        assert np.abs(speeds[-50:]).max() == 0.0, "at rest half a second later"
        leaps.append(np.abs(np.diff(speeds, axis=0)).max())
    # under the splice rule each change costs a control period, whatever the clock does
    assert leaps[1] < max(0.1, 1.3 * leaps[0])


def test_a_clock_that_is_set_while_the_way_home_is_planned_sends_nothing():
    bench = Bench()
    bench.q[0] += 0.3
    bench.run(150)
    set_while(bench, -500 * MS, (bench.controller._arms.ways, "legs"))
    output = bench.take(bench.controller.home(bench.clock()))
    assert not output.accepted and "set while" in output.message and not bench.sent
    bench.run(400)
    assert bench.take(bench.controller.home(bench.clock())).accepted


@pytest.mark.parametrize("states", ["none", "of another clock"])
@pytest.mark.parametrize("by_ms", [-1000, 1000])
def test_joint_states_that_stay_away_after_a_clock_was_set_brake(by_ms, states):
    """Homing is not bound by the open-loop limit: without states it would go on blind to its end."""
    bench = Bench(speed_scale=0.05)
    bench.q[0] += 1.0
    bench.run(150)
    assert bench.take(bench.controller.home(bench.clock())).accepted
    bench.run(1000)
    driver_ns = bench.lead_ns
    bench.lead_ns += by_ms * MS
    for _ in range(200):
        bench.steady_ns += 10 * MS
        now = bench.clock()
        if states == "of another clock":
            stamp = bench.steady_ns + driver_ns
            bench.controller.on_joint_state(stamp, bench.names, bench.q, bench.v, now)
        bench.take(bench.controller.tick(now))
    assert np.abs(bench.controller.commanded_at(bench.clock())[1]).max() == 0.0
    assert bench.controller.snapshot(bench.clock()).state is ControllerState.STALE_STATE


def outside(limit):
    arm = arm_section()
    upper = list(arm["limits"]["position_upper"])
    upper[6] = limit
    arm["limits"]["position_upper"], arm["home"] = upper, [*HOME.tolist()[:6], 0.3]
    return make_card("JOINT_POSITION", arms=[arm])


def test_an_arm_that_wakes_outside_its_range_comes_in_slowly():
    card = outside(float(HOME[6]) - 0.1)
    fastest = card.arms[0].limits.velocity[6]
    rig = Rig(card)
    targets = np.tile(HOME, (16, 1))
    targets[:, 6] = -0.8
    rig.send(targets)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED and "velocity panda_joint7" in {c.limit for c in rig.reports[-1].clamps}
    times = np.arange(rig.now, rig.now + 2_000 * MS, MS)
    q, v, _ = rig.controller.commanded_at(times)
    assert 0.05 < np.abs(v).max() <= 0.25 * fastest * (1 + 1e-6), "slowly"
    assert np.all(np.diff(q[:, 6]) <= 1e-9) and q[-1, 6] < HOME[6] - 0.1, "and inward"
    rig.run(1500)
    rig.send(targets, 1)
    v = rig.controller.commanded_at(np.arange(rig.now, rig.now + 1_000 * MS, MS))[1]
    assert np.abs(v).max() > 0.3 * fastest, "inside it is as quick as ever"
