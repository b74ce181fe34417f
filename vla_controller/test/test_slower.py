"""Chunks that ask for more than the limits allow: done along their own way and more slowly, with no cliff near the limits."""

import numpy as np
import pytest
from cells import HOME, MS
from places import Cell, card_of, fastest, place, turned

from vla_contract.report import Phase, Verdict

WAY = turned(0, 0.5) + turned(1, -0.15) + turned(3, 0.3) + turned(5, -0.4)


def minimum_jerk(share):
    return 10 * share**3 - 15 * share**4 + 6 * share**5


def peak_time(way, card):
    """How long a minimum-jerk motion takes that reaches the limits of velocity or acceleration, and no more [s]."""
    limits = card.arms[0].limits
    velocity, acceleration = np.array(limits.velocity), np.array(limits.acceleration)
    return max((1.875 * np.abs(way) / velocity).max(), np.sqrt(5.7735 * np.abs(way) / acceleration).max())


def wish_of(shares, way=WAY):
    """Actions (H, 8) at these shares (H,) of a way from home."""
    return np.hstack([HOME + np.clip(shares, 0.0, 1.0)[:, None] * way, np.ones((len(shares), 1))])


def driven(card, wish, ms=2030):
    rig = Cell(card)
    rig.send(wish)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.verdict is Verdict.ACCEPTED
    begin = rig.now
    rig.run(ms)
    times, q, v, a, j = rig.executed(begin)
    limits = card.arms[0].limits
    for found, limit in ((v, limits.velocity), (a, limits.acceleration), (j, limits.jerk)):
        assert np.all(np.abs(found).max(axis=0) <= np.array(limit) * (1 + 1e-6))
    assert np.abs(v[-1]).max() < 1e-6, "it ends at rest"
    return rig, report, (times - begin) * 1e-9, q


@pytest.mark.parametrize("period, steps", [(0.02, 70), (0.05, 30), (0.1, 16), (0.2, 8)])
@pytest.mark.parametrize("first", [0.0, 0.3, 0.7])
def test_a_first_step_somewhere_else_does_not_leave_the_arm_half_way(period, steps, first):
    """It ended at 15 to 70 % of the way, as far as a plan toward a stop could be drawn out."""
    card = card_of(period, steps)
    shares = np.ones(steps)
    shares[0] = first
    rig, report, times, q = driven(card, wish_of(shares))
    off = np.abs(q - HOME - WAY).max(axis=1) / np.abs(WAY).max()
    assert off[-1] < 0.06
    arrival = times[np.flatnonzero(off > 0.06)[-1]]
    assert arrival < 2.0 * fastest(WAY, card) + 2 * period


@pytest.mark.parametrize("share", [0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("period, steps", [(0.02, 80), (0.1, 16)])
def test_there_is_no_cliff_where_a_wish_comes_to_the_limits(period, steps, share):
    card = card_of(period, steps)
    seconds = peak_time(WAY, card) / share
    times = period * np.arange(1, steps + 1)
    wish = wish_of(minimum_jerk(np.minimum(times / seconds, 1.0)))
    rig, report, at, q = driven(card, wish)
    off = np.abs(q[-1] - HOME - WAY).max() / np.abs(WAY).max()
    assert off < 0.06
    due = np.array([rig.controller.commanded_at(int(t))[0] for t in report.step_stamps_ns])
    missed = np.abs(due - wish[:, :7]).max(axis=1).mean() / np.abs(WAY).max()
    assert missed < 0.03 + max(0.0, 0.12 * (share - 0.9))


def test_steps_that_are_later_say_by_how_much_and_because_of_which_limit():
    card = card_of(0.02, 70)
    wish = wish_of(np.r_[0.3, np.ones(69)], turned(0, 1.2))
    rig, report, times, q = driven(card, wish)
    late = {clamp.step: clamp.amount for clamp in report.clamps if clamp.limit == "delay"}
    limits = {clamp.step: clamp.limit for clamp in report.clamps if clamp.limit != "delay"}
    done = np.array([rig.controller.commanded_at(int(t))[0] for t in report.step_stamps_ns])
    np.testing.assert_allclose(report.planned_actions[:, :7], done, atol=1e-9)
    off = np.abs(done - wish[:, :7]).max(axis=1)
    assert set(late) == set(np.flatnonzero(off > 2e-3).tolist()) and len(late) >= 30
    assert set(late) <= set(limits) and all(limits[step].endswith("panda_joint1") for step in late)
    times_of = dict(enumerate(report.step_stamps_ns.tolist()))
    arrival = {step: (times_of[step] - rig.reports[0].step_stamps_ns[0]) * 1e-9 + late[step] for step in late}
    assert len({round(arrival[step], 6) for step in late if step >= 1}) == 1, "from step 1 on they ask for one place: one arrival"
    assert report.steps_clamped == len(set(late) | set(limits))


def test_a_path_is_kept_that_is_too_fast():
    """Joint 1 goes out and comes back while joint 4 goes on: at half of the speed it is still this way."""
    card = card_of(0.05, 30)
    s = np.minimum(np.arange(1, 31) / 6, 1.0)
    wish = np.tile([*HOME, 1.0], (30, 1))
    wish[:, 0] += 0.4 * np.sin(np.pi * minimum_jerk(s))
    wish[:, 3] += 0.9 * minimum_jerk(s)
    rig, report, times, q = driven(card, wish)
    assert any(clamp.limit == "delay" for clamp in report.clamps)
    along = np.clip((q[:, 3] - HOME[3]) / 0.9, 0.0, 1.0)
    asked = np.interp(along, np.r_[0.0, minimum_jerk(s)], np.r_[0.0, wish[:, 0] - HOME[0]])
    assert np.abs(q[:, 0] - HOME[0] - asked).max() < 0.04
    assert abs(q[-1, 3] - HOME[3] - 0.9) < 0.03


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5, 3.0])
def test_a_policy_that_leads_too_fast_again_and_again_arrives_and_does_not_overshoot(speed):
    card = card_of(0.02, 60)
    rig, goal = Cell(card), HOME + WAY
    most = np.min(np.array(card.arms[0].limits.velocity)[np.abs(WAY) > 0] / np.abs(WAY[np.abs(WAY) > 0]))
    for number in range(12):
        stamp = rig.now - (60 * MS if number else 0)
        commanded = rig.controller.commanded_at(stamp)
        here = HOME if commanded is None else commanded[0]
        left = goal - here
        share = np.abs(left).max() / np.abs(WAY).max()
        times = 0.02 * np.arange(1, 61)
        shares = np.clip(speed * most * times / max(share, 1e-6), 0.0, 1.0)
        rig.send(np.hstack([here + shares[:, None] * left, np.ones((60, 1))]), number, stamp_ns=stamp)
        rig.run(100)
    assert {r.verdict for r in rig.of_phase(Phase.SCHEDULED)} == {Verdict.ACCEPTED}
    assert np.abs(rig.q - goal).max() < 0.01
    _, q, *_ = rig.executed(1_000 * MS)
    assert ((q - HOME) @ WAY / (WAY @ WAY)).max() < 1.02


def test_what_is_out_of_reach_of_the_open_loop_limit_is_begun():
    card = card_of(0.02, 10)
    rig, report, times, q = driven(card, wish_of(np.r_[0.5, np.ones(9)], turned(0, 2.8)))
    assert 1.0 < q[-1, 0] - HOME[0] < 2.8
    assert all(clamp.amount > 1.0 for clamp in report.clamps if clamp.limit == "delay" and clamp.step > 0)


def test_one_place_is_still_reached_at_once():
    card = card_of(0.1, 16)
    rig, report, times, q = driven(card, place(turned(0, 0.8)))
    assert np.abs(q[-1] - HOME - turned(0, 0.8)).max() < 1e-9
