"""Home is reached without touching the table or the arm itself, and without leaving the workspace."""

import numpy as np
import pytest
from cells import HOME, Rig

from vla_contract.status import ControllerState
from vla_motion.collision import MARGIN

# free poses from which the straight line home in joint space meets the arm or the table
BLOCKED = [
    [1.5562, 1.3606, -1.1451, -2.9163, 2.366, 2.1573, -2.6427],
    [-1.6242, 1.6718, 1.1413, -2.5876, -1.7194, 2.2312, 1.6399],
    [2.1787, 1.7516, -1.1431, -2.7997, -1.9318, 3.5863, 1.3159],
]


def along(rig: Rig) -> np.ndarray:
    timeline = rig.controller._arms.timeline
    return timeline.sample(np.arange(rig.now, timeline.end_ns, 5_000_000))[0]


@pytest.mark.parametrize("q", BLOCKED)
def test_around_what_is_in_the_way(q):
    rig = Rig(q=np.array(q))
    arm = rig.controller._arms.arms[0]
    assert not arm.collision.edge_free(np.array(q), HOME)
    rig.take(rig.controller.home(rig.now))
    assert rig.output.accepted, rig.output.message
    assert not np.any(np.diff(rig.controller._arms.timeline.times_ns) % 1_000_000), "each leg takes whole milliseconds"
    path = along(rig)
    assert min(arm.collision.minimum_distance(q).distance for q in path) >= MARGIN - 1e-6
    tool = rig.model.forward_batch(path)[:, :3, 3]
    assert np.all(tool >= arm.limits.box_lower) and np.all(tool <= arm.limits.box_upper)
    rig.run(int((rig.controller._arms.timeline.end_ns - rig.now) / 1e6) + 100)
    np.testing.assert_allclose(rig.q, HOME, atol=1e-9)
    assert rig.output.status is ControllerState.IDLE


def test_while_moving_a_way_around_is_not_looked_for():
    rig = Rig(q=np.array(BLOCKED[0]))
    nudge = np.zeros((16, 6))
    nudge[:, 2] = 0.002
    rig.send(nudge)
    rig.run(300)
    rig.take(rig.controller.home(rig.now))
    assert not rig.output.accepted and "at rest" in rig.output.message


def test_the_time_that_the_search_takes_counts():
    """The motion begins after the search, not before it."""
    rig = Rig(q=np.array(BLOCKED[0]), clock=lambda: 1_000_000_000 + 400_000_000)
    rig.take(rig.controller.home(rig.now))
    assert rig.output.accepted
    first = rig.arm_messages[-1]
    moves = np.flatnonzero(np.any(first.positions != first.positions[0], axis=1))[0]
    assert first.stamp_ns + int(first.times_ns[moves - 1]) >= 1_420_000_000
