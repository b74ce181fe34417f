"""Steps of a simulated cell: by the steady clock, under the stamps of one that may be set."""

import threading
import time

import numpy as np
import pytest

from vla_sim.mock import MockCell, MockServer
from vla_sim.pacing import SET_NS, SLIP_NS, Pacer
from vla_sim.server import TICK_NS, Callbacks, SimServer
from vla_sim.world import SimWorld

MS = 1_000_000
STEP = 10 * MS


class Clocks:
    """A steady clock that moves when told, and one that can be set."""

    def __init__(self, ahead_ns=1_790_000_000_000_000_000):
        self.now, self.ahead = 5 * MS, ahead_ns

    def steady(self):
        return self.now

    def clock(self):
        return self.now + self.ahead


def run(pacer, clocks, now_ns, seconds):
    """Turns until the time is over: (time of the cell, steps, slipped, set)."""
    until, steps, slipped, sets = clocks.now + int(seconds * 1e9), 0, 0, []
    while clocks.now < until:
        turn = pacer.turn(now_ns)
        if turn.set_ns:
            now_ns += turn.set_ns
            sets.append(turn.set_ns)
        elif turn.wait_s:
            clocks.now += max(1, round(turn.wait_s * 1e9))
        else:
            slipped += turn.slipped_ns
            now_ns += turn.slipped_ns + STEP
            steps += 1
    return now_ns, steps, slipped, sets


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_it_steps_at_its_rate(rate):
    clocks = Clocks()
    now, steps, slipped, sets = run(Pacer(0, STEP, rate=rate, steady=clocks.steady), clocks, 0, 2.0)
    assert steps == pytest.approx(200 * rate, abs=2) and now == steps * STEP and not slipped and not sets


def test_it_skips_what_a_slow_machine_has_missed():
    clocks = Clocks()
    pacer = Pacer(0, STEP, steady=clocks.steady)
    clocks.now += SLIP_NS // 2
    now, _, slipped, _ = run(pacer, clocks, 0, 0.1)
    assert not slipped, "a short pause is made up for"
    clocks.now += 700 * MS
    now, _, slipped, _ = run(pacer, clocks, now, 0.1)
    assert 680 * MS <= slipped <= 700 * MS and slipped % STEP == 0
    assert abs(now - (clocks.now - 5 * MS)) <= STEP


@pytest.mark.parametrize("by_ns", [500 * MS, -500 * MS, -3600 * 10**9, 10**15 + 1])
def test_stamps_follow_a_clock_that_is_set_and_the_pace_does_not_change(by_ns):
    clocks = Clocks()
    start = clocks.clock()
    pacer = Pacer(start, STEP, clock=clocks.clock, steady=clocks.steady)
    now, *_ = run(pacer, clocks, start, 1.0)
    clocks.ahead += by_ns
    now, steps, slipped, sets = run(pacer, clocks, now, 1.0)
    assert len(sets) == 1 and sets[0] % STEP == 0 and abs(sets[0] - by_ns) <= STEP // 2
    assert 99 <= steps <= 101 and not slipped
    assert abs(now - clocks.clock()) <= 1.5 * STEP


def test_a_clock_that_is_slewed_is_followed_in_small_steps():
    clocks = Clocks(0)
    start = clocks.clock()
    pacer, now = Pacer(start, STEP, clock=clocks.clock, steady=clocks.steady), start
    for _ in range(100):
        clocks.ahead += MS
        now, *_ = run(pacer, clocks, now, 0.02)
        assert abs(now - clocks.clock()) <= SET_NS + STEP


def test_readings_that_were_torn_apart_are_no_clock_that_was_set():
    clocks = Clocks()
    pacer = Pacer(clocks.clock(), STEP, clock=clocks.clock, steady=clocks.steady)

    def interrupted():
        clocks.now += 300 * MS
        return clocks.clock() - 290 * MS

    torn = Pacer(clocks.clock(), STEP, clock=interrupted, steady=clocks.steady)
    now = clocks.clock()
    assert not torn.turn(now).set_ns and not pacer.turn(now).set_ns


class Settable:
    """The wall clock, and what it was set by."""

    def __init__(self):
        self.by_ns = 0

    def __call__(self):
        return time.time_ns() + self.by_ns


def test_time_between_making_and_starting_a_server_does_not_make_its_stamps_old(card):
    world, ages = SimWorld(card), []
    world.reset("pick", 0)
    callbacks = Callbacks(on_state=lambda now, *_: ages.append(time.time_ns() - now), on_image=lambda *_: None)
    server = SimServer(world, callbacks, clock=time.time_ns)
    time.sleep(0.5)
    server.start()
    until = time.monotonic() + 30.0
    while len(ages) < 60 and time.monotonic() < until:
        time.sleep(0.02)
    server.stop()
    assert -20 * MS < np.median(ages) < 150 * MS


@pytest.mark.parametrize("by_ns", [2_000 * MS, -2_000 * MS])
def test_the_simulators_stamps_follow_and_its_cameras_go_on(card, by_ns):
    world, clock = SimWorld(card), Settable()
    world.reset("pick", 0)
    stamps, frames, told, errors = [], [], [], []
    callbacks = Callbacks(
        on_state=lambda now, *_: stamps.append((now, clock())),
        on_image=lambda camera, stamp, _: frames.append((stamp, clock())),
        on_clock_set=told.append,
        on_error=errors.append,
    )
    server = SimServer(world, callbacks, clock=clock)
    server.start()

    def wait(heard, count):
        until, count = time.monotonic() + 30.0, len(heard) + count
        while len(heard) < count and time.monotonic() < until and not errors:
            time.sleep(0.01)
        assert len(heard) >= count, errors

    wait(stamps, 20)
    clock.by_ns = by_ns
    wait(told, 1)
    frames.clear()
    stamps.clear()
    wait(frames, 6)
    wait(stamps, 20)
    server.stop()
    assert not errors and told[0] % TICK_NS == 0 and abs(told[0] - by_ns) <= TICK_NS
    # the first frame may have been drawn before, and only delivered after
    ages = np.array([now - stamp for stamp, now in stamps + frames[2:]])
    assert np.median(np.abs(ages)) < 200 * MS, "neither old nor of the future"


def test_the_mocks_stamps_follow_too(card):
    clock, states, told = Settable(), [], threading.Event()
    server = MockServer(
        MockCell(card, period_ns=4 * MS), clock, lambda now, *_: states.append(now - clock()),
        on_clock_set=lambda by_ns: told.set(),
    )  # fmt: skip
    server.start()
    clock.by_ns = 3_000 * MS
    assert told.wait(10.0)
    states.clear()
    time.sleep(0.3)
    server.stop()
    assert states and np.median(np.abs(states)) < 150 * MS
