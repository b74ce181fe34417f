"""What waits comes out at its time, in order; where the clock is set back, it comes out before anything of the new time."""

import numpy as np
import pytest

from vla_replay.offline.delay import SET_BACK_NS, DelayQueue, ReplayClock, was_set_back

S = 1_000_000_000


def played(seed: int, end_at: int | None = None):
    """Puts things in while time goes on. Returns (time of coming out, due, rank, number) of each, in the order of coming out."""
    random = np.random.default_rng(seed)
    queue, out, number, now = DelayQueue(), [], 0, 0
    for step in range(200):
        now += int(random.integers(1, 5))
        for _ in range(random.integers(0, 4)):
            due, rank = now + int(random.integers(0, 20)), int(random.integers(0, 2))
            queue.put(due, (due, rank, number), rank)
            number += 1
        if step == end_at:
            out += [(now, *item) for _, item in queue.end()]
            assert not len(queue)
        out += [(now, *item) for _, item in queue.due(now)]
    out += [(now, *item) for _, item in queue.end()]
    return out, number, now


@pytest.mark.parametrize("seed", range(20))
def test_nothing_comes_out_before_its_time_nothing_late_and_nothing_is_lost(seed):
    out, number, end = played(seed)
    assert sorted(row[3] for row in out) == list(range(number))
    assert all(due <= now for now, due, _, _ in out if now < end)
    assert out == sorted(out), "by time, then by rank, then as they were put in"
    looks = sorted({row[0] for row in out})
    for look, before in zip(looks[1:], looks, strict=False):
        assert all(due >= before for now, due, _, _ in out if now == look), "it was due at an earlier look"


@pytest.mark.parametrize("seed", range(5))
def test_the_end_of_a_time_gives_out_all_that_waits_in_order(seed):
    out, number, _ = played(seed, end_at=100)
    assert sorted(row[3] for row in out) == list(range(number))
    early = [row[1:] for row in out if row[1] > row[0]]
    assert early and early == sorted(early), "only what waited at the end came before its time"


def test_what_is_put_in_while_things_come_out_takes_part():
    queue: DelayQueue[str] = DelayQueue()
    queue.put(1, "first")
    out = []
    for due, item in queue.due(5):
        out.append((due, item))
        if item == "first":
            queue.put(3, "second")
            queue.put(9, "later")
    assert out == [(1, "first"), (3, "second")] and len(queue) == 1


def test_out_of_order_is_not_set_back():
    assert not was_set_back(10 * S, 10 * S - SET_BACK_NS)
    assert was_set_back(10 * S, 10 * S - SET_BACK_NS - 1)
    assert not was_set_back(0, 5 * S), "the first event sets nothing back"


def test_the_clock_keeps_its_newest_time_and_sums_its_times():
    clock = ReplayClock()
    for now in (10 * S, 12 * S, 11 * S + 1):
        assert not clock.is_set_back_by(now)
        clock.take(now)
    assert clock.now_ns == 12 * S and clock.seconds == pytest.approx(2.0)
    assert clock.is_set_back_by(4 * S)
    clock.begin_anew()
    assert clock.now_ns == 0 and clock.seconds == pytest.approx(2.0)
    clock.take(4 * S)
    clock.take(7 * S)
    assert clock.now_ns == 7 * S and clock.seconds == pytest.approx(5.0)
    clock.begin_anew()
    clock.begin_anew()
    assert clock.seconds == pytest.approx(5.0)


def test_what_comes_before_the_first_input_has_no_time_and_lasts_for_none():
    """An instruction that is given before any image: 183 671 544 times real time was told of such a bag."""
    clock = ReplayClock()
    for event_ns in (0, 0, 1_796_075_909 * S, 1_796_076_110 * S):
        clock.take(event_ns)
    assert clock.seconds == 201.0
