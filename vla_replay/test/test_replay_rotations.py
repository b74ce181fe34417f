"""Rotations of poses: turns are compared, not rotation vectors, which wrap at half a turn."""

from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import chunk, ramp

from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_motion.rotation import exp, log
from vla_replay.offline.compare import Comparison, Jumps
from vla_replay.offline.divergence import columns_of, divergence

POSE = {"space": ActionSpace.EE_POSE}
NEAR = np.pi - 0.001


@pytest.fixture
def pose_card(card):
    content = card.to_dict()
    content["action"]["space"] = "EE_POSE"
    return parse_card(content)


def turning(begin, turn, steps=5, **columns):
    """Poses that turn on from a rotation vector by a rotation vector in all, as the log gives them."""
    actions = ramp(steps, **columns)
    shares = np.linspace(0.0, 1.0, steps)[:, None]
    actions[:, 3:6] = log(exp(shares * np.asarray(turn, float)) @ exp(np.asarray(begin, float)))
    return actions


def test_two_poses_on_both_sides_of_half_a_turn_are_near():
    row = divergence(chunk(ramp(rx=NEAR), **POSE), chunk(ramp(rx=-NEAR), **POSE))
    assert row["columns"]["arm.rx"]["mean_abs"] == pytest.approx(0.002) == row["columns"]["arm.rx"]["max"]
    assert row["columns"]["arm.ry"]["max"] < 1e-9
    assert row["jump_rotation"] == pytest.approx(0.002) and row["jump"] == 0.0


def test_a_comparison_and_the_jumps_of_a_run_do_not_wrap_either(pose_card):
    comparison, jumps, names = Comparison(pose_card), Jumps(), tuple(pose_card.action.names)
    chunks = [chunk(ramp(rx=side * NEAR), stamp_ms=200 * i, names=names, **POSE) for i, side in enumerate((1, -1, 1))]
    for one in chunks:
        jumps.add(one)
    comparison.add(chunks[0], chunks[1])
    row = asdict(comparison.figures())
    assert row["columns"]["arm.rx"]["mean_abs"] == pytest.approx(0.002) and row["largest"] == pytest.approx(0.002)
    assert jumps.figures()["jump_rotation"].max == pytest.approx(0.002)
    executed = Comparison(pose_card)  # as against what the arm did: grippers are not known
    rows = np.column_stack([chunks[0].actions[:, :6], np.full(4, np.nan)])
    executed.add_rows(rows, chunks[1].actions, columns_of(chunks[0]), grippers=False)
    assert executed.figures().columns["arm.rx"].max == pytest.approx(0.002)


def test_the_turn_is_told_in_base_axes():
    begin, turn = np.array([0.3, -2.2, 1.4]), np.array([0.02, -0.01, 0.03])
    row = divergence(chunk(turning(begin, [0, 0, 0]), **POSE), chunk(turning(log(exp(turn) @ exp(begin)), [0, 0, 0]), **POSE))
    found = [row["columns"][f"arm.{axis}"]["max"] for axis in ("rx", "ry", "rz")]
    np.testing.assert_allclose(found, np.abs(turn), atol=1e-12)
    assert row["jump_rotation"] == pytest.approx(np.linalg.norm(turn))


def test_the_direction_of_a_turn_beyond_half_a_turn():
    one = chunk(turning([NEAR, 0, 0], [0.1, 0, 0]), **POSE)  # its rotation vectors go from pi to -pi
    assert np.abs(np.diff(one.actions[:, 3])).max() > 6.0
    same = divergence(one, chunk(turning([NEAR - 0.2, 0, 0], [0.1, 0, 0]), **POSE))
    assert same["cosine"]["rotation"] == pytest.approx(1.0)
    back = divergence(one, chunk(turning([NEAR - 0.2, 0, 0], [-0.1, 0, 0]), **POSE))
    assert back["cosine"]["rotation"] == pytest.approx(-1.0)
    assert divergence(one, chunk(turning([NEAR, 0, 0], [0, 1e-4, 0]), **POSE))["cosine"]["rotation"] is None


def test_equal_poses_are_equal_to_the_bit(pose_card):
    comparison, rng = Comparison(pose_card), np.random.default_rng(5)
    one = chunk(rng.normal(size=(16, 7)), names=tuple(pose_card.action.names), **POSE)
    comparison.add(one, one)
    assert comparison.figures().largest == 0.0 and comparison.figures().equal_chunks == 1


def test_relative_poses_do_not_wrap_and_deltas_stay_as_they_are():
    relative = {"space": ActionSpace.EE_RELATIVE, "reference_positions": [1.0]}
    row = divergence(chunk(ramp(rx=NEAR), **relative), chunk(ramp(rx=-NEAR), **relative))
    assert row["columns"]["arm.rx"]["max"] == pytest.approx(0.002)
    row = divergence(chunk(ramp(rx=0.3)), chunk(ramp(ry=0.3)))
    assert row["columns"]["arm.rx"]["max"] == pytest.approx(0.3) == row["columns"]["arm.ry"]["max"]
    assert row["jump_rotation"] == pytest.approx(0.3 * np.sqrt(2.0))
