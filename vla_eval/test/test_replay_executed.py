"""What the arm did, against a policy that decided from an older observation because of a fault."""

from dataclasses import replace

import numpy as np
import pytest
from replay_samples import MS, record_live, swinging

from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_eval.bags.reader import Bag
from vla_eval.replay.faults import parse_faults
from vla_eval.replay.replay import Replay
from vla_eval.replay.track import KEPT_CHUNKS, Track
from vla_policy_node.assembler import ObservationAssembler
from vla_policy_node.backends.scripted import ScriptedPolicy
from vla_policy_node.chunks import decide

pytestmark = pytest.mark.timeout(100)

START = 1_700_000_000_000 * MS
RUN = "a" * 32


def ascending(card):
    """A policy whose action in x says when it is due [s after START]."""

    def act(observation):
        actions = np.zeros((card.action.horizon, card.action_dim))
        actions[:, 0] = (observation.stamp_ns - START) * 1e-9 + card.action.step_period * np.arange(1, card.action.horizon + 1)
        return actions

    return ScriptedPolicy(card, act)


class Cell:
    """Observations of made-up stamps, and what an arm did that follows the recorded chunks exactly."""

    def __init__(self, card):
        self.card = card
        self.policy = ascending(card)
        self.track = Track("a", ascending(card), card, [])

    def observe(self, stamp_ns, q=0.1):
        assembler, arm = ObservationAssembler(self.card), self.card.arms[0]
        joints = [*arm.joints, arm.gripper.joint]
        for at in (stamp_ns - 5 * MS, stamp_ns + 5 * MS):
            assembler.add_joint_state(at, joints, np.full(len(joints), q), np.zeros(len(joints)))
        for camera in self.card.cameras:
            pixels = np.random.default_rng(stamp_ns % 997).integers(0, 255, (camera.height, camera.width, 3), np.uint8)
            assembler.add_image(camera.name, stamp_ns, pixels)
        return assembler.assemble(stamp_ns, "stay")

    def recorded(self, stamp_ns=START, sequence=0):
        return decide(self.policy, self.card, self.observe(stamp_ns), RUN, sequence, lambda: stamp_ns)

    def decide(self, recorded, stamp_ns, q=0.1):
        return self.track.decide(self.observe(stamp_ns, q), RUN, 0, 0, recorded)

    def did(self, recorded, steps):
        rows = recorded.actions[steps].copy()
        rows[:, 6] = np.nan
        self.track.on_executed(recorded, steps, rows)

    @property
    def told(self):
        return self.track.executed.as_dict()


@pytest.fixture
def cell(card):
    return Cell(card)


@pytest.mark.parametrize("late_ms", [0, 100, 300, -100])
@pytest.mark.parametrize("decided_first", [True, False])
def test_steps_are_paired_by_due_time(cell, late_ms, decided_first):
    recorded, steps = cell.recorded(), np.arange(2, 6)
    if decided_first:
        cell.decide(recorded, START - late_ms * MS)
    cell.did(recorded, steps)
    if not decided_first:
        cell.decide(recorded, START - late_ms * MS)
    assert cell.told["steps"] == 4 and cell.told["columns"]["arm.x"]["max"] == pytest.approx(0.0, abs=1e-9)


def test_what_one_of_them_does_not_reach_is_left_out(cell):
    recorded = cell.recorded()
    cell.decide(recorded, START - 300 * MS)
    cell.did(recorded, np.arange(10, 16))
    assert cell.told["steps"] == 3 and cell.told["columns"]["arm.x"]["max"] == pytest.approx(0.0, abs=1e-9)
    later = cell.recorded(START + 10_000 * MS, 1)
    cell.decide(later, START + 10_200 * MS)
    cell.did(later, np.arange(2))
    assert cell.told["chunks"] == 1 and cell.told["steps"] == 3, "the policy's first step comes after them"


def test_relative_actions_from_another_reference_are_not_compared(card):
    content = card.to_dict()
    content["action"]["space"] = "EE_RELATIVE"
    cell = Cell(parse_card(content))
    assert cell.card.action_space is ActionSpace.EE_RELATIVE
    recorded = cell.recorded()
    cell.decide(recorded, START, q=0.1)
    cell.did(recorded, np.arange(4))
    assert cell.told["columns"]["arm.x"]["max"] == 0.0
    other = replace(recorded, sequence=1)
    cell.decide(other, START, q=0.2)
    cell.did(other, np.arange(4))
    assert cell.told["incomparable"] == 1 and cell.told["chunks"] == 2
    assert cell.track.executed.as_dict()["columns"]["arm.x"]["max"] == 0.0


def test_memory_stays_flat_where_the_policy_never_decides(cell):
    recorded = cell.recorded()
    for k in range(3 * KEPT_CHUNKS):
        cell.did(replace(recorded, sequence=k), np.arange(2))
    cell.decide(replace(recorded, sequence=0), START)
    assert cell.told["chunks"] == 0
    cell.decide(replace(recorded, sequence=3 * KEPT_CHUNKS - 1), START)
    assert cell.told["chunks"] == 1


def test_with_latency_the_same_policy_is_as_near_to_the_arm_as_without(card, model, tmp_path):
    """`swinging` says for each instant the same, whatever it is decided from; the arm followed it."""
    record_live(tmp_path / "bag", card, model, 3.0)
    found = {}
    for words in ([], ["latency=200ms"]):
        with Bag(tmp_path / "bag") as bag:
            policy = ScriptedPolicy(card, swinging(card))
            figures = Replay(bag, card, {"a": policy}, [model], faults=parse_faults(words, card)).run()
        found[bool(words)] = figures["policies"]["a"]["against_executed"]
    assert found[True]["chunks"] == found[False]["chunks"] > 5 and found[True]["steps"] == found[False]["steps"]
    near, late = (found[fault]["columns"]["arm.y"]["mean_abs"] for fault in (False, True))
    assert late < 3.0 * near
