"""Smoothing is the card's, and nothing that it does to a step is kept quiet."""

import numpy as np
import pytest
from action_paths import SPACES, actions_in, swing
from cells import HOME, MS, Rig, make_card

from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_contract.report import ClampLimit, Phase, Verdict
from vla_controller.planning.smoothing import Smoothing
from vla_motion import rotation


def card_of(space: str, period: float = 0.1, **smoothing):
    content = make_card(space).to_dict()
    content["action"]["step_period"] = period
    if smoothing:
        content["action"]["smoothing"] = smoothing
    return parse_card(content)


def zigzag_poses(model, amplitude: float = 0.005) -> np.ndarray:
    """(16, 6): along x, and to and fro in y [m]."""
    start = model.forward(HOME)
    wish = np.tile(np.concatenate([start[:3, 3], rotation.log(start[:3, :3])]), (16, 1))
    wish[:, 0] += 0.002 * np.arange(1, 17)
    wish[:, 1] += amplitude * (-1.0) ** np.arange(16)
    return wish


def zigzag_joints(amplitude: float, joint: int = 2) -> np.ndarray:
    wish = np.tile(HOME, (16, 1))
    wish[:, joint] += amplitude * (-1.0) ** np.arange(16)
    return wish


def scheduled(rig):
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.verdict is Verdict.ACCEPTED
    return report


def test_a_zigzag_of_the_tool_that_is_smoothed_is_told_by_how_much():
    rig = Rig(card_of("EE_POSE"))
    wish = zigzag_poses(rig.model)
    rig.send(wish)
    report = scheduled(rig)
    done = np.array([rig.tool(int(due))[:3, 3] for due in report.step_stamps_ns])
    off = np.linalg.norm(done - wish[:, :3], axis=1)
    assert off.max() > 0.002, "it is smoothed"
    told = {clamp.step: clamp.amount for clamp in report.clamps if clamp.limit == "smoothing_position"}
    assert set(told) == set(np.flatnonzero(off > 0.002).tolist())
    assert [told[step] for step in told] == pytest.approx([off[step] for step in told], rel=0.02)
    assert {clamp.kind for clamp in report.clamps} == {ClampLimit.SMOOTHING_POSITION}
    np.testing.assert_allclose(report.planned_actions[:, :3], done, atol=1e-9)


def test_a_turn_of_the_tool_that_is_smoothed_is_told_by_its_angle():
    rig = Rig(card_of("EE_DELTA"))
    wish = np.zeros((16, 6))
    wish[:, 5] = 0.06 * (-1.0) ** np.arange(16)  # to and fro by 60 mrad about the tool's place
    rig.send(wish)
    report = scheduled(rig)
    turned = [rotation.log(rig.tool(int(due))[:3, :3] @ rig.model.forward(HOME)[:3, :3].T)[2] for due in report.step_stamps_ns]
    off = np.abs(np.array(turned) - np.cumsum(wish[:, 5]))
    told = {clamp.step: clamp.amount for clamp in report.clamps}
    assert {clamp.limit for clamp in report.clamps} == {"smoothing_angle"} and len(told) > 8
    assert set(told) == set(np.flatnonzero(off > 0.01).tolist())
    assert [told[step] for step in told] == pytest.approx([off[step] for step in told], rel=0.02)
    np.testing.assert_allclose(np.cumsum(report.planned_actions[:, 5]), turned, atol=1e-6)


def test_a_zigzag_of_a_joint_at_20_ms_is_not_flattened_without_a_word():
    rig = Rig(card_of("JOINT_POSITION", 0.02, angle=0.002))
    rig.send(zigzag_joints(0.004))
    report = scheduled(rig)
    assert np.abs(report.planned_actions[4:12, 2]).max() < 0.002, "it is flattened: 4 mrad to and fro are 98 rad/s^2"
    told = [clamp for clamp in report.clamps if clamp.limit == "smoothing_angle panda_joint3"]
    assert {clamp.step for clamp in told} >= set(range(4, 12))
    assert all(0.002 < clamp.amount < 0.008 for clamp in told)
    done = np.array([rig.controller.commanded_at(int(due))[0] for due in report.step_stamps_ns])
    np.testing.assert_allclose(report.planned_actions[:, :7], done, atol=1e-12)


@pytest.mark.parametrize("smoothing", [{"enabled": False}, {"cutoff": 300.0}, {"enabled": False, "cutoff": 5.0}])
@pytest.mark.parametrize("space", ["JOINT_POSITION", "EE_POSE"])
def test_without_smoothing_each_step_within_the_limits_is_met(space, smoothing):
    rig = Rig(card_of(space, **smoothing))
    wish = zigzag_poses(rig.model, 0.002) if space == "EE_POSE" else zigzag_joints(0.004)
    rig.send(wish)
    report = scheduled(rig)
    assert report.clamps == ()
    np.testing.assert_allclose(report.planned_actions[:, : wish.shape[1]], wish, atol=2e-4)
    if space == "JOINT_POSITION":
        done = np.array([rig.controller.commanded_at(int(due))[0] for due in report.step_stamps_ns])
        np.testing.assert_allclose(done, wish, atol=2e-5)


def test_a_slower_cutoff_smooths_more():
    off = []
    for cutoff in (60.0, 30.0, 20.0, 10.0):
        rig = Rig(card_of("JOINT_POSITION", cutoff=cutoff))
        rig.send(zigzag_joints(0.004))
        off.append(np.abs(scheduled(rig).planned_actions[4:12, 2]).mean() / 0.004)
    nyquist = np.pi / 0.1
    expected = [1.0 / (1.0 + (nyquist / cutoff) ** 6) for cutoff in (60.0, 30.0, 20.0, 10.0)]
    assert off == sorted(off, reverse=True) and off[0] > 0.95 and off[3] < 0.02
    assert off[1] == pytest.approx(expected[1], abs=0.2)  # the formula is of a wish that is sampled closely


@pytest.mark.parametrize(
    ("position", "angle", "kinds"),
    [(0.0005, 1.0, {"smoothing_position"}), (0.5, 0.0015, {"smoothing_angle panda_joint3"}), (0.5, 1.0, set())],
)
def test_tolerances_are_the_cards(position, angle, kinds):
    rig = Rig(card_of("JOINT_POSITION", position=position, angle=angle))
    rig.send(zigzag_joints(0.004))
    assert {clamp.limit for clamp in scheduled(rig).clamps} == kinds


@pytest.mark.parametrize(
    ("period", "given", "cutoff"),
    [
        (0.1, {}, 30.0), (1.0, {}, 30.0), (0.02, {}, 30.0), (0.01, {"angle": 0.5}, 30.0),
        (0.02, {"cutoff": 12.5}, 12.5), (0.1, {"enabled": False}, 10 * np.pi / 0.1),
    ],
)  # fmt: skip
def test_the_cutoff_is_the_cards(period, given, cutoff):
    made = Smoothing.from_card(card_of("JOINT_POSITION", period, **given))
    assert made.cutoff == pytest.approx(cutoff)
    assert (made.position, made.angle) == (0.002, given.get("angle", 0.01))


def test_cards_without_it_keep_their_hashes():
    card, with_it = make_card(), card_of("EE_DELTA", cutoff=30.0)
    assert "smoothing" not in card.to_dict()["action"] and parse_card(card.to_dict()).card_hash == card.card_hash
    assert with_it.policy_hash == card.policy_hash and with_it.card_hash != card.card_hash
    assert parse_card(with_it.to_dict()).card_hash == with_it.card_hash


@pytest.mark.parametrize("space", SPACES)
def test_planned_actions_count_from_the_anchor_to_where_the_motion_is(space):
    """Of an arm that moves, with steps that came too late."""
    rig = Rig(make_card(space))
    q, T = swing(rig.model, HOME)
    rig.send(actions_in(space, rig.model, q, T, HOME, HOME), reference_positions=HOME)
    rig.run(600)
    stamp = rig.now - 150 * MS
    commanded = rig.controller.commanded_at(stamp)[0].copy()
    q2, T2 = swing(rig.model, commanded)
    wish = actions_in(space, rig.model, q2, T2, commanded, commanded)
    rig.send(wish, 1, stamp_ns=stamp, reference_positions=commanded)
    (report,) = [r for r in rig.of_phase(Phase.SCHEDULED) if r.sequence == 1]
    planned, kind = report.planned_actions[:, :-1], ActionSpace[space]
    late = report.steps_skipped
    assert late >= 1, "steps came too late"
    np.testing.assert_allclose(planned[:late], wish[:late], atol=1e-12)
    anchor = np.array(report.anchor)
    for step in range(late + 1, 16):
        done = rig.controller.commanded_at(int(report.step_stamps_ns[step]))[0]
        if not kind.is_cartesian:
            reached = planned[step] + (0.0 if space == "JOINT_POSITION" else anchor)
            reached = anchor + planned[: step + 1].sum(axis=0) if space == "JOINT_DELTA" else reached
            np.testing.assert_allclose(reached, done, atol=1e-9)
            continue
        tool, base = rig.model.forward(done), rotation.rotation_from_quaternion(anchor[3:])
        if space == "EE_POSE":
            place, turn = planned[step, :3], rotation.exp(planned[step, 3:6])
        elif space == "EE_RELATIVE":
            place, turn = anchor[:3] + planned[step, :3], rotation.exp(planned[step, 3:6]) @ base
        else:
            place, turn = anchor[:3] + planned[: step + 1, :3].sum(axis=0), base
            for each in planned[: step + 1, 3:6]:
                turn = rotation.exp(each) @ turn
        np.testing.assert_allclose(place, tool[:3, 3], atol=1e-8)
        np.testing.assert_allclose(turn, tool[:3, :3], atol=1e-7)


def test_a_cutoff_that_rises_with_close_steps_costs_jerk_and_gains_nothing():
    """Why it does not: steps of 20 ms with noise, as of a policy at 50 Hz; 75 rad/s would be in proportion to the step period."""
    rms_jerk, error = {}, {}
    for cutoff in (30.0, 75.0):
        rig = Rig(card_of("JOINT_POSITION", 0.02, cutoff=cutoff))
        noise = 0.002 * np.random.default_rng(0).standard_normal((40, 16, 7))
        begin, far = rig.now, 2 * np.pi * 0.4
        for number in range(40):
            times = (rig.now - begin) * 1e-9 + 0.02 * np.arange(1, 17)
            wish = np.tile(HOME, (16, 1))
            wish[:, 0] += 0.2 * np.sin(far * times)
            rig.send(wish + noise[number], number, stamp_ns=rig.now)
            rig.run(100)
        states = [rig.controller.commanded_at(t) for t in range(begin + 1500 * MS, rig.now, 2 * MS)]
        q, _, a = (np.array(part) for part in zip(*states))
        rms_jerk[cutoff] = float(np.sqrt(np.mean((np.diff(a, axis=0) / 0.002) ** 2)))
        times = np.arange(1500 * MS, rig.now - begin, 2 * MS) * 1e-9
        error[cutoff] = float(np.quantile(np.abs(q[:, 0] - HOME[0] - 0.2 * np.sin(far * times)), 0.95))
    assert rms_jerk[75.0] > 5.0 * rms_jerk[30.0]
    assert error[75.0] > 0.8 * error[30.0]
