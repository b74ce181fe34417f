"""A simulator's clock while the controller plans: it goes on as fast as it did, and never faster than it ever showed."""

import pytest
from cells import MS, Rig, straight

from vla_contract.report import Verdict
from vla_controller.intake.running_clock import RunningClock


class Simulator:
    """Shows its time in steps of 10 ms, heard between calls only."""

    def __init__(self, rate=1.0, time_ns=0):
        self.rate, self.steady_ns, self.time_ns, self.shown_ns = rate, 77 * MS, float(time_ns), time_ns
        self.clock = RunningClock(lambda: self.shown_ns, lambda: self.steady_ns)

    def calls(self, ms):
        """So long there is a call each 10 ms of wall time, and /clock is heard before it."""
        for _ in range(0, ms, 10):
            self.go_on(10)
            self.shown_ns = int(self.time_ns) // (10 * MS) * 10 * MS
            self.clock.read()

    def go_on(self, ms):
        self.steady_ns += int(ms * MS)
        self.time_ns += ms * MS * self.rate

    def plan(self, ms):
        """By how much the clock goes on while a call takes as long [ms]."""
        begin = self.clock.read()
        self.go_on(ms)
        return (self.clock() - begin) / MS


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 2.0, 8.0])
def test_it_goes_on_at_the_rate_that_it_has_shown(rate):
    sim = Simulator(rate)
    assert sim.plan(50) == 0.0, "nothing is known yet"
    sim.calls(1100)
    assert 50 * rate <= sim.plan(50) * 1.05 <= 1.1 * (50 * rate + 10), "what is shown is of up to 10 ms before"
    sim.time_ns += 10 * MS
    sim.calls(10)
    assert sim.plan(0) == 0.0 and sim.clock() == sim.shown_ns, "a call begins at what is shown"


@pytest.mark.parametrize("steps", [[80], [10] * 8], ids=["the node was held up", "the clock was"])
@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_time_goes_on_while_nothing_is_heard_of_it(rate, steps):
    sim = Simulator(rate)
    sim.calls(1100)
    for ms in (*steps, 1):
        sim.go_on(ms)
        shown_ns = sim.clock.read()
        assert shown_ns == sim.shown_ns, "a chunk comes before what waits of /clock"
    sim.go_on(4)
    assert sim.clock() == pytest.approx(shown_ns + 85 * MS * rate, abs=0.05 * 85 * MS)
    sim.calls(10)
    assert sim.clock() == sim.shown_ns, "heard of again"


def test_a_clock_that_stands_is_not_taken_for_one_that_was_not_heard():
    sim = Simulator()
    sim.calls(1100)
    sim.rate = 0.0
    sim.go_on(80)
    sim.clock.read()
    sim.calls(150)
    assert sim.clock() == sim.shown_ns


def test_a_pause_and_a_leap_ahead_make_it_slow_never_fast():
    sim = Simulator()
    sim.calls(1500)
    sim.rate = 0.0
    sim.calls(700)
    assert sim.plan(50) <= 50
    sim.calls(700)
    assert sim.plan(50) == 0.0
    sim.rate = 1.0
    sim.calls(100)
    assert sim.plan(50) < 50
    sim.calls(1500)
    assert sim.plan(50) == pytest.approx(50, rel=0.05)
    sim.time_ns += 3_600_000 * MS
    for _ in range(20):
        sim.calls(100)
        assert sim.plan(50) <= 55


def test_set_back_it_stands_still_until_it_has_shown_its_rate_again():
    sim = Simulator()
    sim.calls(1500)
    sim.time_ns = 0.0
    sim.calls(100)
    assert sim.plan(50) == 0.0
    sim.calls(1500)
    assert sim.plan(50) == pytest.approx(50, rel=0.05)


def test_the_end_of_a_very_long_call_is_not_guessed():
    sim = Simulator(8.0)
    sim.calls(1500)
    assert sim.plan(10_000) == 1000.0


@pytest.mark.parametrize(("took_ms", "verdict"), [(10, Verdict.ACCEPTED), (60, Verdict.INFEASIBLE)])
def test_a_plan_that_took_longer_than_its_margin_is_not_sent(monkeypatch, took_ms, verdict):
    sim = Simulator(time_ns=980 * MS)
    rig = Rig(clock=sim.clock, steady=lambda: sim.steady_ns, simulated=True)
    for _ in range(150):
        sim.calls(10)
        rig.now = sim.shown_ns
        rig.run(0)
        rig.state()
    plan = rig.controller._stitcher.plan

    def slow(chunk, now_ns):
        sim.go_on(took_ms)
        return plan(chunk, now_ns)

    monkeypatch.setattr(rig.controller._stitcher, "plan", slow)
    rig.send(straight())
    assert rig.reports[0].verdict is verdict
    assert verdict is Verdict.ACCEPTED or "too busy" in rig.reports[0].message
