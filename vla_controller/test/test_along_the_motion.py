"""How two positions of some joints go with the commanded motion, against plain arithmetic on a motion that is known."""

import numpy as np
import pytest
from cells import MS

from vla_controller.planning.timeline import Timeline

SPEED = np.array([0.3, -0.7, 0.5, 0.2])  # [rad/s] of four joints; looked at are the second and third
AROUND = np.arange(-30, 11, 5) * MS
JOINTS = slice(1, 3)


def even_motion() -> Timeline:
    """At SPEED from 0 at 0 s on, for 2 s: each joint an even motion between knots."""
    times = np.array([0, 700, 2000]) * MS
    q = SPEED * times[:, None] * 1e-9
    return Timeline(times, q, np.tile(SPEED, (3, 1)), np.zeros((3, 4)))


def along(q, *, lead_ms=0, before_ms=500, stamp_ms=520, before=None, noise=1e-4, share=0.1, jitter=2e-3):
    before = SPEED[JOINTS] * before_ms * 1e-3 if before is None else before
    stamps = before_ms * MS, stamp_ms * MS, (stamp_ms + lead_ms) * MS
    return even_motion().along(JOINTS, AROUND, stamps, before, np.asarray(q), noise=noise, share=share, jitter=jitter)


@pytest.mark.parametrize("ahead_ms, index", [(0, 6.0), (2, 6.4), (-13, 3.4), (-30, 0.0), (10, 8.0)])
def test_where_in_time_a_position_lies_is_found(ahead_ms, index):
    found = along(SPEED[JOINTS] * (520 + ahead_ms) * 1e-3)
    assert found.nearest == pytest.approx(index, abs=1e-6) and found.off_nearest == pytest.approx(0.0, abs=1e-9)
    assert found.step2 == pytest.approx(float(np.sum((SPEED[JOINTS] * 5e-3) ** 2)))
    assert found.fastest == pytest.approx(0.7), "of the joints that are looked at, whichever way they turn"


def test_what_is_off_to_the_side_is_as_far_as_its_worst_joint():
    q = SPEED[JOINTS] * 0.520 + [0.5e-3 * 5, 0.5e-3 * 7]  # at right angles to the motion
    found = along(q)
    assert found.off_nearest == pytest.approx(3.5e-3) and found.nearest == pytest.approx(6.0)
    assert found.off == pytest.approx(max(2.5e-3 - 0.7 * 2e-3, 3.5e-3 - 0.5 * 2e-3)), "what jitter explains is left out"


def test_the_believed_instant_is_that_of_the_lead():
    q = SPEED[JOINTS] * 0.528
    assert along(q, lead_ms=8).off == pytest.approx(-0.5 * 2e-3), "of the joint for which jitter explains least"
    assert along(q, lead_ms=0).off == pytest.approx(max(0.7 * 8e-3 - 0.7 * 2e-3, 0.5 * 8e-3 - 0.5 * 2e-3))


@pytest.mark.parametrize("moved_ms, beyond", [(20, False), (0, True), (23, True), (17, True), (-20, True)])
def test_a_way_that_the_motion_does_not_make_is_noticed(moved_ms, beyond):
    """20 ms lie between the stamps; noise and a tenth of the way, 1.1 ms, are forgiven."""
    found = along(SPEED[JOINTS] * (500 + moved_ms) * 1e-3, noise=0.0)
    assert (found.way_beyond > 0.0) == beyond
    excess = max(abs(abs(moved_ms) - 20) if moved_ms >= 0 else 40, 0) * 1e-3 * 0.7 - 0.1 * 20e-3 * 0.7
    slower = max(abs(abs(moved_ms) - 20) if moved_ms >= 0 else 40, 0) * 1e-3 * 0.5 - 0.1 * 20e-3 * 0.5
    assert found.way_beyond == pytest.approx(max(excess, slower), abs=1e-9)


def test_noise_is_forgiven_in_all_joints_alike():
    q = SPEED[JOINTS] * 0.520
    assert along(q + [0.0, 2.9e-3], noise=2e-3).way_beyond == pytest.approx(2.9e-3 - 2e-3 - 0.1 * 20e-3 * 0.5)
    assert along(q - [2.9e-3, 0.0], noise=2e-3).way_beyond == pytest.approx(2.9e-3 - 2e-3 - 0.1 * 20e-3 * 0.7)


def test_a_motion_that_stands_has_no_direction():
    found = along(SPEED[JOINTS] * 2.0, before_ms=2500, stamp_ms=2520, before=SPEED[JOINTS] * 2.0)
    # From its last knot on a motion holds what it has there.
    assert found.step2 == 0.0 and found.off_nearest == pytest.approx(0.0, abs=1e-12) and found.way_beyond <= 0.0
