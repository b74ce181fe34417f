"""A clock that is set while the arm moves: noticed by a clock that never is, and the motion under way stays known."""

import numpy as np
import pytest
from cells import MS, Rig, straight
from curve import sample

from vla_contract.report import Phase, Verdict
from vla_controller.intake.clock_watch import ClockWatch


class Clocks:
    def __init__(self, ahead_ns=10**18):
        self.steady_ns, self.ahead_ns = 7 * MS, ahead_ns
        self.torn_ns = 0

    def steady(self):
        return self.steady_ns

    def clock(self):
        self.steady_ns += self.torn_ns
        return self.steady_ns + self.ahead_ns

    def go_on(self, ms):
        self.steady_ns += int(ms * MS)


@pytest.fixture(params=["given", "read"])
def clocks(request):
    clocks = Clocks()
    clocks.watch = ClockWatch(clocks.clock if request.param == "read" else None, clocks.steady)
    return clocks


def take(clocks):
    return clocks.watch.take(clocks.clock())


def test_time_that_goes_on_is_no_jump(clocks):
    for ms in (0, 1, 10, 5_000, 10**7):
        clocks.go_on(ms)
        assert take(clocks) is None and not clocks.watch.was_set(clocks.clock())


@pytest.mark.parametrize("ms", [-3_600_000, -500, -60, 11, 500, 3_600_000])
def test_a_jump_is_reported_once_with_its_size(clocks, ms):
    take(clocks)
    clocks.go_on(10)
    clocks.ahead_ns += ms * MS
    assert clocks.watch.was_set(clocks.clock()) and clocks.watch.was_set(clocks.clock())
    jump = take(clocks)
    assert jump.by_ns == ms * MS and jump.words == f"the clock was set {'back' if ms < 0 else 'ahead'}"
    assert take(clocks) is None


def test_slewing_is_no_jump(clocks):
    take(clocks)
    for _ in range(1000):
        clocks.go_on(10)
        clocks.ahead_ns += 5_000  # 500 ppm, as much as a time daemon slews
        assert take(clocks) is None


@pytest.mark.parametrize("ms", [-300, 300])
def test_a_time_that_was_read_before_the_clock_was_set_waits_for_the_next(ms):
    clocks = Clocks()
    watch = ClockWatch(clocks.clock, clocks.steady)
    watch.take(clocks.clock())
    clocks.go_on(10)
    early = clocks.clock()
    clocks.ahead_ns += ms * MS
    assert watch.take(early) is None
    clocks.go_on(10)
    assert watch.take(clocks.clock()).by_ns == ms * MS
    assert watch.take(clocks.clock()) is None


def test_clocks_that_cannot_be_read_together_say_nothing():
    clocks = Clocks()
    watch = ClockWatch(clocks.clock, clocks.steady)
    watch.take(clocks.clock())
    clocks.torn_ns = 50 * MS
    clocks.ahead_ns += 500 * MS
    now = clocks.steady_ns + clocks.ahead_ns
    assert watch.take(now) is None
    clocks.torn_ns = 0
    clocks.go_on(10)
    assert watch.take(clocks.clock()).by_ns == 500 * MS


@pytest.mark.parametrize("options", [{"simulated": True}, {"steady": None}])
def test_a_simulators_clock_may_run_at_any_rate_but_not_back(options):
    clocks = Clocks()
    watch = ClockWatch(None, options.pop("steady", clocks.steady), **options)
    now = 1_000 * MS
    watch.take(now)
    clocks.go_on(1)
    assert watch.take(now + 800 * MS) is None
    assert watch.take(now + 700 * MS).words == "the clock was set back"


def ahead(rig, ms):
    rig.now += ms * MS
    rig.set_by += ms * MS


@pytest.fixture
def rig():
    made = Rig(steady=lambda: made.now - made.set_by)
    made.set_by = 0
    made.send(straight((0.0, 0.3, 0.0)))
    made.run(500)
    return made


@pytest.mark.parametrize("ms", [20, 500, 3_600_000])
def test_the_motion_under_way_goes_on_and_no_chunk_is_followed_until_it_has_ended(rig, ms):
    expected = [rig.controller.commanded_at(rig.now + t * MS) for t in (20, 1200)]
    sent = len(rig.arm_messages)
    rig.now += 10 * MS
    ahead(rig, ms)
    out = rig.take(rig.controller.tick(rig.now))
    assert any("set ahead" in r.message for r in out.reports if r.phase is Phase.CLOSED)
    for t, before in zip((10, 1190), expected):
        np.testing.assert_allclose(rig.controller.commanded_at(rig.now + t * MS), before, atol=1e-12)
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "set ahead; no joint state since" in rig.reports[-1].message
    rig.state()
    rig.send(straight(), 2)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "set ahead; waiting" in rig.reports[-1].message
    assert len(rig.arm_messages) == sent, "nothing is sent that would begin elsewhere"
    rig.run(2_500)
    rig.send(straight(), 3)
    assert [r for r in rig.reports if r.sequence == 3][0].verdict is Verdict.ACCEPTED


def test_a_stop_brakes_from_where_the_arm_is(rig):
    rig.now += 10 * MS
    commanded = rig.controller.commanded_at(rig.now)
    ahead(rig, 700)
    rig.take(rig.controller.stop(rig.now))
    (message,) = rig.arm_messages[1:]
    for wanted, executed in zip(commanded, sample(message, rig.now)):
        np.testing.assert_allclose(executed, wanted, atol=1e-9)
    for t in range(5, 400, 7):
        for ours, executed in zip(rig.controller.commanded_at(rig.now + t * MS), sample(message, rig.now + t * MS)):
            np.testing.assert_allclose(executed, ours, atol=1e-9)
    rig.run(500)
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now)[1], 0.0)


def test_a_joint_state_that_comes_before_the_next_tick_is_not_held_against_the_old_time(rig):
    rig.now += 10 * MS
    q = rig.controller.commanded_at(rig.now)[0]
    ahead(rig, 5_000)
    for _ in range(20):
        rig.controller.on_joint_state(rig.now, rig.names, q, np.zeros(7), rig.now)
        rig.now += 4 * MS
    assert not rig.controller.snapshot(rig.now).tracking_error > 0.01


def test_a_first_joint_state_that_is_wrong_anchors_nothing(rig):
    """Nothing was measured since the clock was set that it could be held against."""
    rig.run(2_500)
    rig.now += 10 * MS
    ahead(rig, 5_000)
    rig.take(rig.controller.tick(rig.now))
    wrong = rig.q + np.array([0.3, 0, 0, 0, 0, 0, 0])
    rig.now += 10 * MS
    rig.controller.on_joint_state(rig.now, rig.names, wrong, np.zeros(7), rig.now)
    sent = len(rig.arm_messages)
    rig.send(straight(), 1)
    assert len(rig.arm_messages) == sent
    rig.run(200)
    rig.send(straight(), 2)
    np.testing.assert_allclose(rig.arm_messages[-1].positions[0], rig.q, atol=1e-9)
