"""Chunks that ask an arm at rest for one place: there as soon as the limits allow, never refused for ever."""

import numpy as np
import pytest
from cells import HOME, MS, arm_section, make_card, panda_model
from places import Cell, card_of, fastest, place, turned

from vla_contract.report import Phase, Verdict


@pytest.mark.parametrize("angle", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("period, steps", [(0.02, 50), (0.1, 16), (0.01, 3)])
def test_it_is_there_as_soon_as_the_limits_allow(angle, period, steps):
    card = card_of(period, steps)
    rig = Cell(card)
    rig.send(place(turned(0, angle), steps))
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.verdict is Verdict.ACCEPTED
    begin = int(report.step_stamps_ns[0]) - card.step_period_ns
    soonest = max(fastest(turned(0, angle), card), period)
    rig.run(1900)
    times, q, v, a, j = rig.executed(begin)
    there = np.abs(q[:, 0] - HOME[0] - angle) < 1e-6
    assert times[np.argmax(there)] - begin <= (1.03 * soonest + 0.002) * 1e9 and there[np.argmax(there):].all()
    limits = card.arms[0].limits
    for found, limit in ((v, limits.velocity), (a, limits.acceleration), (j, limits.jerk)):
        assert np.all(np.abs(found).max(axis=0) <= np.array(limit) * (1 + 1e-6))


def test_it_does_not_ring_between_steps_that_are_far_apart():
    rig = Cell(card_of(0.4, 4))
    rig.send(place(turned(0, 0.2), 4))
    rig.run(1900)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.clamps == () and report.planned_actions[0, 0] == pytest.approx(HOME[0] + 0.2)
    _, q, *_ = rig.executed(int(report.step_stamps_ns[0]))
    assert np.abs(q[:, 0] - HOME[0] - 0.2).max() < 1e-6


def test_steps_before_the_arrival_are_told_late_with_what_is_done_at_them():
    rig = Cell(card_of(0.1))
    rig.send(place(turned(0, 0.6) + turned(1, -0.1)))
    rig.run(1900)
    report, closed = rig.of_phase(Phase.SCHEDULED)[0], rig.of_phase(Phase.CLOSED)[0]
    late = [clamp for clamp in report.clamps if clamp.limit == "delay"]
    assert [clamp.step for clamp in late] == [0, 1, 2, 3] and report.steps_clamped == 4
    assert late[0].amount - late[3].amount == pytest.approx(0.3) and 0.0 < late[3].amount < 0.1
    assert closed.steps_executed == 16
    for step in (0, 2, 5):
        done = rig.controller.commanded_at(int(report.step_stamps_ns[step]))[0]
        np.testing.assert_allclose(report.planned_actions[step, :7], done, atol=1e-9)
    between = report.planned_actions[1, :2] - HOME[:2]
    assert between[1] / between[0] == pytest.approx(-1 / 6, abs=1e-6), "all joints together"


def test_a_policy_that_asks_again_and_again_is_not_slower():
    ends = []
    for again in (0, 12):
        rig = Cell(card_of(0.02, 50))
        rig.send(place(turned(0, 0.8), 50))
        begin = rig.now
        for sequence in range(1, again + 1):
            rig.run(40)
            rig.send(place(turned(0, 0.8), 50), sequence)
            assert rig.of_phase(Phase.SCHEDULED)[-1].verdict is Verdict.ACCEPTED
        rig.run(1500)
        times, q, *_ = rig.executed(begin)
        ends.append(times[np.argmax(np.abs(q[:, 0] - HOME[0] - 0.8) < 1e-6)] - begin)
    assert ends[1] == ends[0]


def test_a_speed_scale_that_is_lowered_on_the_way_holds_from_the_next_chunk_on():
    """Though it asks for the place that the motion under way leads to."""
    rig = Cell(card_of(0.1, velocity=[0.4] * 7))
    rig.send(place(turned(0, 0.5)))
    rig.run(300)
    rig.controller.set_speed_scale(0.1)
    for sequence in range(1, 4):
        rig.send(place(turned(0, 0.5)), sequence)
        rig.run(200)
    assert abs(rig.controller.commanded_at(rig.now)[1][0]) < 0.1 * 0.4 * 1.1


def test_the_tool_is_as_slow_as_it_has_to_be():
    rig = Cell(card_of(0.1, tool_speed=0.3))
    rig.send(place(turned(0, 0.6)))
    begin = rig.now
    rig.run(1900)
    times, q, *_ = rig.executed(begin)
    path = panda_model().forward_batch(q)[:, :3, 3]
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1) / (np.diff(times)[:, None] * 1e-9).T
    assert 0.27 < speed.max() <= 0.3 * (1 + 1e-6)
    assert abs(q[-1, 0] - HOME[0] - 0.6) < 1e-6


def test_what_lies_beyond_the_range_is_gone_to_as_far_as_that():
    rig = Cell(card_of(0.1))
    rig.send(place(turned(6, 2.4)))
    (report,) = rig.of_phase(Phase.SCHEDULED)
    beyond = [clamp for clamp in report.clamps if clamp.limit == "position panda_joint7"]
    assert [clamp.step for clamp in beyond] == list(range(16)) and beyond[0].amount == pytest.approx(0.7854 + 2.4 - 2.8973 + 0.01)
    rig.run(1900)
    assert rig.q[6] == pytest.approx(2.8973 - 0.01)


def test_one_that_cannot_be_there_by_the_open_loop_limit_goes_as_far_as_its_steps():
    rig = Cell(card_of(0.1, velocity=[0.2] * 7))
    rig.send(place(turned(0, 1.0)))
    assert rig.of_phase(Phase.SCHEDULED)[0].verdict is Verdict.ACCEPTED
    rig.run(2100)
    assert 0.2 < rig.q[0] < 0.4 and not rig.controller.commanded_at(rig.now)[1].any()


@pytest.mark.parametrize("space", ["JOINT_DELTA", "JOINT_RELATIVE"])
def test_other_joint_spaces_that_lead_to_one_place(space):
    card = card_of(0.1)
    card = card.model_copy(update={"action": card.action.model_copy(update={"space": space})})
    rig = Cell(card)
    change = turned(3, 0.5)
    actions = np.tile(change, (16, 1)) if space == "JOINT_RELATIVE" else np.vstack([change, np.zeros((15, 7))])
    rig.send(actions, reference_positions=HOME if space == "JOINT_RELATIVE" else np.empty(0))
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.verdict is Verdict.ACCEPTED
    first = report.planned_actions[0, 3]
    rest = report.planned_actions[1:, 3].sum() if space == "JOINT_DELTA" else report.planned_actions[-1, 3] - first
    assert 0.01 < first < 0.4 and first + rest == pytest.approx(0.5)
    rig.run(1500)
    assert rig.q[3] == pytest.approx(HOME[3] + 0.5, abs=1e-6)


def test_a_way_that_is_not_free_is_left_to_the_other_planner():
    section = arm_section()
    card = make_card("JOINT_POSITION", arms=[section])
    rig = Cell(card)
    rig.send(place(turned(1, 1.2)))  # into the table
    rig.run(1500)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    tool = panda_model().forward(rig.q)[:3, 3]
    assert report.verdict is Verdict.INFEASIBLE or {c.limit.split()[0] for c in report.clamps} - {"delay"}
    assert np.all(tool >= np.array(section["limits"]["workspace_min"]) - 1e-6)


@pytest.mark.parametrize("period", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("noise", [1e-7, 1e-4])
def test_steps_that_a_network_writes_are_one_place_though_their_digits_differ(period, noise):
    """Steps of a network are rarely equal to the bit: they were not one place, and the arm stopped at 5 to 42 % of its way."""
    rig = Cell(card_of(period, 16))
    wish = place(turned(0, 1.2), 16)
    wish += noise * np.random.default_rng(0).uniform(-1.0, 1.0, wish.shape)
    rig.send(wish)
    rig.run(1990)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.verdict is Verdict.ACCEPTED
    np.testing.assert_allclose(rig.controller.commanded_at(rig.now + 500 * MS)[0], wish[-1, :7], atol=2.1 * noise)


def test_a_way_in_small_steps_is_not_taken_for_one_place():
    rig = Cell(card_of(0.1, 16))
    wish = place(HOME, 16)
    wish[:, 0] += np.linspace(0.0, 0.015, 17)[1:]  # the last steps are less than 2 mrad apart, the whole way is not
    rig.send(wish)
    rig.run(900)
    assert rig.q[0] - HOME[0] < 0.012, "it is followed in its own time"


def test_a_policy_that_asks_for_nearly_the_same_place_again_changes_nothing():
    rig = Cell(card_of(0.1, 16))
    goal = turned(0, 1.2)
    rig.send(place(goal, 16))
    end = rig.arm_messages[-1]
    end_ns, rng = end.stamp_ns + int(end.times_ns[-1]), np.random.default_rng(1)
    for number in range(1, 5):
        rig.run(150)
        rig.send(place(goal, 16) + 3e-5 * rng.uniform(-1.0, 1.0, (16, 8)), number)
        assert rig.reports[-1].verdict is Verdict.ACCEPTED
    message = rig.arm_messages[-1]
    assert message.stamp_ns + int(message.times_ns[-1]) == pytest.approx(end_ns, abs=MS)
