"""The speed scale stretches steps, and the reports say so."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, make_card, straight

from vla_contract.status import ControllerState


def test_a_tenth_of_the_speed_takes_ten_times_as_long():
    rig = Rig(make_card(), speed_scale=0.1)
    rig.send(straight((0.2, 0.0, 0.0), steps=2))
    report = rig.reports[0]
    assert "speed scale 0.1: a step takes 1 s" in report.message
    assert np.diff(report.step_stamps_ns).tolist() == [1000 * MS]
    start = rig.tool()[0, 3]
    rig.run(500)
    q, v, _ = rig.controller.commanded_at(rig.now)
    assert np.linalg.norm((rig.model.jacobian(q) @ v)[:3]) < 0.03
    rig.run(2500)
    # 2 cm a second until the stop begins, 0.4 s before the open-loop limit of 2 s; the stop itself is some way, too
    assert rig.tool()[0, 3] - start == pytest.approx(0.034, abs=0.004)


def test_the_open_loop_limit_stays_however_slow_the_steps():
    """At a twentieth of the speed one step outlasts the limit: the part of it that fits is done."""
    rig = Rig(make_card(), speed_scale=0.05)
    rig.send(straight((0.2, 0.0, 0.0)), valid_for_ns=1000 * MS)
    report = rig.reports[0]
    assert report.planned_actions[0, 0] == pytest.approx(0.02 * 0.98 / 2.0, rel=0.02)  # 980 ms of a step of 2 s
    assert {c.limit for c in report.clamps} == {"open_loop"}
    start = rig.tool()[0, 3]
    rig.run(2500)
    assert rig.output.status is ControllerState.IDLE
    assert 0.008 < rig.tool()[0, 3] - start < 0.013


def test_changed_at_run_time_it_holds_from_the_next_chunk_on():
    rig = Rig()
    rig.send(straight())
    rig.run(300)
    rig.controller.set_speed_scale(0.5)
    rig.send(straight(), 1)
    report = [r for r in rig.reports if r.sequence == 1][0]
    assert np.diff(report.step_stamps_ns)[0] == 200 * MS
    rig.run(1500)
    q, v, _ = rig.controller.commanded_at(rig.now)
    assert np.linalg.norm((rig.model.jacobian(q) @ v)[:3]) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("steps", [16, 15], ids=["one place", "two places"])
def test_a_pose_far_away_is_gone_to_at_that_share_of_the_limits(steps):
    """A policy's first pose may be anywhere: on the first day no more than a tenth of the speed is meant for that, too."""
    peaks = []
    for scale in (1.0, 0.1):
        rig = Rig(make_card("JOINT_POSITION"), speed_scale=scale)
        actions = np.tile(HOME, (16, 1))
        actions[:, 0] += 0.4
        actions[steps:, 0] += 0.01
        rig.send(actions)
        times = rig.now + np.arange(0, 2500, 5) * MS
        peaks.append(max(np.abs(rig.controller.commanded_at(int(t))[1]).max() for t in times))
    assert peaks[0] > 0.8 and peaks[1] < 0.12 * 2.175


def test_home_is_no_faster_than_the_scale():
    slow, normal = Rig(q=HOME + 0.3, speed_scale=0.05), Rig(q=HOME + 0.3)
    for rig in (slow, normal):
        rig.take(rig.controller.home(rig.now))
    seconds = [float(rig.output.message.split()[2]) for rig in (slow, normal)]
    assert seconds[0] > 4.0 * seconds[1]


@pytest.mark.parametrize("scale", [0.0, 0.049, 1.01, -1.0, float("nan")])
def test_out_of_range(scale):
    with pytest.raises(ValueError, match="0.05 to 1"):
        Rig().controller.set_speed_scale(scale)
