"""Where a new motion may take over: clear of the knots behind it, or on one."""

import numpy as np
import pytest
from cells import MS

from vla_controller.planning.timeline import CLOSEST_KNOTS_NS, Timeline


def timeline(*times_ms: float) -> Timeline:
    times = np.array([round(t * MS) for t in times_ms], dtype=np.int64)
    zeros = np.zeros((len(times), 1))
    return Timeline(times, zeros, zeros, zeros)


@pytest.mark.parametrize(
    "knots, wanted, closest, instant",
    [
        ([0, 100, 200], 50, 0.5, 50),
        ([0, 100, 200], 100.2, 0.5, 101.2),  # whole milliseconds later
        ([0, 100, 200], 110, 40, 140),
        ([0, 100, 200], 100, 40, 100),  # on a knot, well behind the one before
        ([0, 20, 40, 60], 25, 40, 40),  # knots nearer than that: on the next one
        ([0, 20, 20.3, 60], 10, 40, 20),
        ([0, 20, 20.3, 60], 20.1, 40, 60),  # the next knot is too near: past it, and on to the one after
        ([0, 20, 20.3, 100], 20.1, 0.5, 21.3),  # a whole millisecond past it
        ([0, 100], 130, 40, 130),  # behind the end nothing moves
        ([0, 100], 100.2, 40, 101.2),  # nor right behind it
    ],
)
def test_the_first_instant_that_will_do(knots, wanted, closest, instant):
    assert timeline(*knots).splice_instant(round(wanted * MS), round(closest * MS)) == round(instant * MS)


def test_it_always_ends_and_never_goes_back():
    rng = np.random.default_rng(0)
    for _ in range(300):
        knots = np.cumsum(rng.choice([0.1, 0.3, 0.7, 5.0, 20.0, 100.0], 30))
        line = timeline(*knots)
        for wanted in rng.uniform(0, knots[-1] + 50, 20):
            t = round(wanted * MS)
            for closest in (CLOSEST_KNOTS_NS, 40 * MS):
                instant = line.splice_instant(t, closest)
                behind = instant - line.times_ns[line.times_ns < instant]
                assert instant >= t and (len(behind) == 0 or behind.min() >= CLOSEST_KNOTS_NS)
