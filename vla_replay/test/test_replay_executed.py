"""What the arm did, against a policy that decided from an older observation because of a fault."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from replay_samples import MS, record_live, swinging

from vla_bags.reader import Bag
from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.chunks import decide
from vla_replay.offline.faults import parse_faults
from vla_replay.offline.replay import Replay
from vla_replay.offline.track import KEPT_CHUNKS, Track

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


class FollowedTrack:
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
    def compared(self):
        return asdict(self.track.executed.figures())


@pytest.fixture
def followed(card):
    return FollowedTrack(card)


@pytest.mark.parametrize("late_ms", [0, 100, 300, -100])
@pytest.mark.parametrize("decided_first", [True, False])
def test_steps_are_paired_by_due_time(followed, late_ms, decided_first):
    recorded, steps = followed.recorded(), np.arange(2, 6)
    if decided_first:
        followed.decide(recorded, START - late_ms * MS)
    followed.did(recorded, steps)
    if not decided_first:
        followed.decide(recorded, START - late_ms * MS)
    assert followed.compared["steps"] == 4 and followed.compared["columns"]["arm.x"]["max"] == pytest.approx(0.0, abs=1e-9)


def test_what_one_of_them_does_not_reach_is_left_out(followed):
    recorded = followed.recorded()
    followed.decide(recorded, START - 300 * MS)
    followed.did(recorded, np.arange(10, 16))
    assert followed.compared["steps"] == 3 and followed.compared["columns"]["arm.x"]["max"] == pytest.approx(0.0, abs=1e-9)
    later = followed.recorded(START + 10_000 * MS, 1)
    followed.decide(later, START + 10_200 * MS)
    followed.did(later, np.arange(2))
    assert followed.compared["chunks"] == 1 and followed.compared["steps"] == 3, "the policy's first step comes after them"


def test_relative_actions_from_another_reference_are_not_compared(card):
    content = card.to_dict()
    content["action"]["space"] = "EE_RELATIVE"
    followed = FollowedTrack(parse_card(content))
    assert followed.card.action_space is ActionSpace.EE_RELATIVE
    recorded = followed.recorded()
    followed.decide(recorded, START, q=0.1)
    followed.did(recorded, np.arange(4))
    assert followed.compared["columns"]["arm.x"]["max"] == 0.0
    other = replace(recorded, sequence=1)
    followed.decide(other, START, q=0.2)
    followed.did(other, np.arange(4))
    assert followed.compared["incomparable"] == 1 and followed.compared["chunks"] == 2
    assert asdict(followed.track.executed.figures())["columns"]["arm.x"]["max"] == 0.0


def test_memory_stays_flat_where_the_policy_never_decides(followed):
    recorded = followed.recorded()
    for k in range(3 * KEPT_CHUNKS):
        followed.did(replace(recorded, sequence=k), np.arange(2))
    followed.decide(replace(recorded, sequence=0), START)
    assert followed.compared["chunks"] == 0
    followed.decide(replace(recorded, sequence=3 * KEPT_CHUNKS - 1), START)
    assert followed.compared["chunks"] == 1


def test_with_latency_the_same_policy_is_as_near_to_the_arm_as_without(card, model, tmp_path):
    """`swinging` says for each instant the same, whatever it is decided from; the arm followed it."""
    record_live(tmp_path / "bag", card, model, 3.0)
    found = {}
    for words in ([], ["latency=200ms"]):
        with Bag(tmp_path / "bag") as bag:
            policy = ScriptedPolicy(card, swinging(card))
            figures = asdict(Replay(bag, card, {"a": policy}, [model], faults=parse_faults(words, card)).run())
        found[bool(words)] = figures["policies"]["a"]["against_executed"]
    assert found[True]["chunks"] == found[False]["chunks"] > 5 and found[True]["steps"] == found[False]["steps"]
    near, late = (found[fault]["columns"]["arm.y"]["mean_abs"] for fault in (False, True))
    assert late < 3.0 * near
