"""Divergence, spreads, faults and gates on made-up numbers."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from replay_samples import MS, chunk, ramp

from vla_contract.action_space import ActionSpace
from vla_contract.ros.streams import Frame
from vla_evidence.figures.replay import SpreadFigures
from vla_replay.offline.compare import Comparison, Jumps
from vla_replay.offline.divergence import divergence, pair
from vla_replay.offline.errors import ReplayError
from vla_replay.offline.faults import Faults, FaultyStream, parse_duration, parse_faults
from vla_replay.offline.gate import exceeded, parse_gates
from vla_replay.offline.spread import KEPT, Spread


def test_equal_chunks_do_not_diverge():
    one = chunk(ramp(x=0.01, gripper=1.0))
    row = divergence(one, one)
    assert row["steps"] == 4 and row["offset_ms"] == 0.0 and row["gripper_agreement"] == 1.0
    assert all(column == {"mean_abs": 0.0, "max": 0.0} for column in row["columns"].values())
    assert row["cosine"] == {"translation": pytest.approx(1.0), "rotation": None}
    assert row["jump"] == 0.0
    json.dumps(row)


def test_steps_are_paired_by_due_time_and_not_by_number():
    first = chunk(np.arange(28.0).reshape(4, 7))
    later = chunk(np.arange(28.0).reshape(4, 7)[2:] + 0.5, stamp_ms=200)
    row = divergence(first, later)
    assert row["steps"] == 2 and row["columns"]["arm.x"] == {"mean_abs": 0.5, "max": 0.5}
    assert divergence(later, first)["columns"]["arm.x"]["max"] == 0.5
    assert divergence(first, replace(later, stamp_ns=230 * MS))["offset_ms"] == 30.0
    assert divergence(first, replace(later, stamp_ns=900 * MS))["steps"] == 0


def test_committed_steps_are_no_decision_and_are_left_out():
    recorded, policy = chunk(ramp(6, x=1.0), committed_steps=2), chunk(ramp(6, x=3.0))
    assert len(pair(recorded, policy)) == 4 == len(pair(policy, recorded))
    later = chunk(ramp(6, x=3.0), stamp_ms=300, committed_steps=2)  # its rows 2 to 5 are due with rows 5 to 8
    assert len(pair(recorded, later)) == 1 and pair(recorded, later).due_ns[0] == recorded.step_stamps_ns()[5]
    assert len(pair(chunk(ramp(6), committed_steps=5), chunk(ramp(6), stamp_ms=300))) == 1


def test_opposite_directions_and_grippers():
    row = divergence(chunk(ramp(x=0.01, gripper=1.0)), chunk(ramp(x=-0.02, rz=0.1)))
    assert row["cosine"]["translation"] == pytest.approx(-1.0) and row["cosine"]["rotation"] is None
    assert row["gripper_agreement"] == 0.0
    assert row["jump"] == pytest.approx(0.03) and row["jump_rotation"] == pytest.approx(0.1)
    other = divergence(chunk(ramp(gripper=1.0)), chunk(ramp(gripper=-1.0)), {"arm.gripper": -5.0})
    assert other["gripper_agreement"] == 1.0


def test_absolute_targets_are_compared_as_they_are_and_relative_ones_from_their_reference():
    names = ("j1", "j2", "arm.gripper")
    a = np.array([[0.1, 0.2, 1.0], [0.2, 0.4, 1.0]])
    one = chunk(a, space=ActionSpace.JOINT_POSITION, names=names)
    two = chunk(a + [0.0, 0.3, 0.0], space=ActionSpace.JOINT_POSITION, names=names)
    row = divergence(one, two)
    assert row["jump"] == pytest.approx(0.3) and row["cosine"] == {"joints": pytest.approx(1.0)}
    relative = {"space": ActionSpace.JOINT_RELATIVE, "names": names}
    one = chunk(a, reference_positions=[1.0, 1.0], **relative)
    two = chunk(a - [0.5, 0.0, 0.0], reference_positions=[1.5, 1.0], **relative)
    assert divergence(one, two)["columns"]["j1"]["max"] == pytest.approx(0.0)
    poses = {"space": ActionSpace.EE_RELATIVE}
    row = divergence(chunk(ramp(x=1.0), reference_positions=[1.0], **poses), chunk(ramp(), reference_positions=[2.0], **poses))
    assert row["columns"] == {} and row["jump"] is None and row["gripper_agreement"] == 1.0


def test_brakes_and_chunks_of_another_contract():
    assert divergence(chunk(np.empty((0, 7))), chunk(ramp()))["steps"] == 0
    with pytest.raises(ReplayError, match="action_space: EE_DELTA and EE_POSE"):
        divergence(chunk(ramp()), chunk(ramp(), space=ActionSpace.EE_POSE))
    with pytest.raises(ReplayError, match="step_period_ns"):
        divergence(chunk(ramp()), chunk(ramp(), step_period_ns=MS))


def test_jumps_go_from_chunk_to_chunk_of_one_run(card):
    jumps = Jumps()
    jumps.add(chunk(ramp(x=0.01)))
    jumps.add(chunk(ramp(x=0.03), stamp_ms=200))
    jumps.add(chunk(np.empty((0, 7)), stamp_ms=300))
    jumps.add(chunk(ramp(x=9.0), stamp_ms=300))
    jumps.add(chunk(ramp(x=0.0), stamp_ms=400, run_id="b" * 32))
    assert jumps.figures()["jump"].count == 1 and jumps.figures()["jump"].max == pytest.approx(0.02)


def test_not_finite_actions_are_counted_and_not_averaged(card):
    comparison = Comparison(card)
    actions = np.zeros((card.action.horizon, 7))
    broken = actions.copy()
    broken[0, 0] = np.nan
    fields = {"names": tuple(card.action.names)}
    comparison.add(chunk(actions, **fields), chunk(broken, **fields))
    row = asdict(comparison.figures())
    assert row["columns"]["arm.x"]["not_finite"] == 1 and row["columns"]["arm.x"]["mean_abs"] == 0.0
    assert row["equal_chunks"] == 0 and row["largest"] == np.inf


def test_a_spread_is_exact_while_small_and_near_when_large():
    values = np.random.default_rng(3).exponential(size=5 * KEPT)
    small, large = Spread(), Spread()
    small.add(values[:100])
    assert small.figures().p95 == np.percentile(values[:100], 95) and small.rms == np.sqrt((values[:100] ** 2).mean())
    for part in np.array_split(values, 37):
        large.add(part)
    assert large.count == len(values) and large.largest == values.max() and large.mean == pytest.approx(values.mean())
    assert large.percentile(95) == pytest.approx(np.percentile(values, 95), rel=0.05)
    assert Spread().figures() == SpreadFigures(count=0) and Spread().mean is None


def test_durations():
    assert [parse_duration(text, "") for text in ("200ms", "0.2s", "0.2", "-50ms", "3us")] == [
        200 * MS, 200 * MS, 200 * MS, -50 * MS, 3000,
    ]  # fmt: skip
    with pytest.raises(ReplayError, match="fault latency=soon: 'soon' is no duration; write 200ms or 0.2s"):
        parse_duration("soon", "fault latency=soon")


def frames(count, card):
    image = np.zeros((card.cameras[0].height, card.cameras[0].width, 3), np.uint8)
    return [Frame("front", i * 33 * MS, np.full_like(image, i % 250)) for i in range(count)]


def through(words, card, count=30, seed=0):
    stream = FaultyStream(parse_faults(words, card), card, seed)
    for frame in frames(count, card):
        stream.put_frame(frame.stamp_ns, frame)
    return stream, list(stream.due(10**15))


def test_a_reordered_image_comes_right_behind_the_next_one(card):
    stream, out = through(["reorder=0.2"], card)
    stamps = [frame.stamp_ns for _, frame in out]
    swaps = sum(b < a for a, b in zip(stamps, stamps[1:]))
    assert swaps == stream.counts["reordered"] - (30 - len(out)) > 2
    assert sorted(stamps) == [frame.stamp_ns for frame in frames(30, card)][: len(out)] or len(out) < 30


def test_latency_frozen_skew_and_swapped(card):
    assert not parse_faults([], card).any and Faults(drop=0.1).any
    _, out = through(["latency=70ms", "frozen=front", "skew=front:-20ms"], card, 3)
    assert [(at - 70 * MS, f.stamp_ns + 20 * MS, int(f.pixels.max())) for at, f in out] == [
        (0, 0, 0), (33 * MS, 33 * MS, 0), (66 * MS, 66 * MS, 0),
    ]  # fmt: skip
    _, out = through(["swapped=front:wrist"], card, 2)
    assert {frame.camera for _, frame in out} == {"wrist"}
    stream, out = through(["drop=0.5"], card, 200)
    assert stream.counts["dropped"] == 200 - len(out) and 60 < len(out) < 140
    with pytest.raises(ReplayError, match="two cameras of the card are needed"):
        parse_faults(["swapped=front"], card)
    with pytest.raises(ReplayError, match="cannot arrive before it was recorded"):
        parse_faults(["latency=-1ms"], card)


def test_gates():
    gates = parse_gates(["jump=0.05", "violations=0"])
    assert exceeded({"jump": 0.05, "violations": 0}, gates) == []
    assert len(exceeded({"jump": 0.051, "violations": 1}, gates)) == 2
    assert "gate jump: nan exceeds" in exceeded({"jump": float("nan"), "violations": 0}, gates)[0]
    with pytest.raises(ReplayError, match="gate jump: this replay has no such figure .* it has violations"):
        exceeded({"jump": None, "violations": 0}, gates)
    with pytest.raises(ReplayError, match="allowed is a number from 0 up"):
        parse_gates(["jump=-1"])
