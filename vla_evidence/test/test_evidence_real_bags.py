"""Labels from bags of drivers that tell little: no joint states, no velocities, numbers that are none, truth that begins late."""

import math

import numpy as np
import pytest
from evidence_samples import MS, RUNS, SECOND, START, BagDraft
from geometry_msgs.msg import Point, Pose

from vla_bags.reader import Bag
from vla_contract.ros.convert import ns_to_stamp
from vla_evidence.rows.from_bag import rows_from_bag
from vla_msgs.msg import ChunkClamp, ObjectPose, TaskState

WORDS = "pick up the red block"


def rows(draft, tmp_path, **options):
    with Bag(draft.write(tmp_path / "b.mcap")) as opened:
        return rows_from_bag(opened, **options)


def joint_states(draft):
    return [m for _, topic, m in draft.messages if topic == f"/{draft.card.state.topic}"]


def clamp_all(draft, name: str, limit: int) -> None:
    for _, topic, message in draft.messages:
        if topic == "/vla/chunk_report" and message.steps_executed:
            message.clamps = [ChunkClamp(step=k, limit=limit, name=name, amount=0.2) for k in range(message.steps_executed)]
            message.steps_clamped = message.steps_executed


@pytest.mark.parametrize("joints", [True, False])
@pytest.mark.parametrize(
    ("name", "limit", "label"),
    [
        ("position panda_joint4", ChunkClamp.POSITION, "LIMITS_IGNORED"),
        ("collision panda_hand table", ChunkClamp.COLLISION, "LIMITS_IGNORED"),
        ("workspace z", ChunkClamp.WORKSPACE, "OUT_OF_WORKSPACE"),
    ],
)
def test_what_the_reports_tell_needs_no_joint_states(card, tmp_path, joints, name, limit, label):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0)
    clamp_all(draft, name, limit)
    if not joints:
        draft.messages = [m for m in draft.messages if m[1] != f"/{card.state.topic}"]
    (episode,), inferences = rows(draft, tmp_path)
    assert episode.label == label and episode.clamped_share == 1.0
    assert [i.sequence for i in inferences if i.bad] == [0]


@pytest.mark.parametrize("velocities", [[], [math.nan] * 8])
def test_a_driver_without_velocities_still_tells_of_an_arm_that_stands(card, tmp_path, velocities):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0, moving=False)
    for message in joint_states(draft):
        message.velocity = velocities
    (episode,), inferences = rows(draft, tmp_path)
    assert episode.label == "NO_PROGRESS" and len(inferences[0].state) == 8


def test_joints_that_are_no_numbers_are_not_known_and_make_no_label(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0)
    for message in joint_states(draft):
        message.position = [math.nan] * len(message.position)
    (episode,), inferences = rows(draft, tmp_path)
    assert episode.label == "" and all(i.state == () for i in inferences)


def test_a_finger_that_is_no_number_for_a_moment_leaves_the_arm_judged(card, tmp_path):
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0, moving=False)
    for message in joint_states(draft)[:300]:
        message.position = [math.nan, *message.position[1:]]
    (episode,), inferences = rows(draft, tmp_path)
    assert episode.label == "NO_PROGRESS"
    assert inferences[2].state == () and len(inferences[-1].state) == 8


def test_a_bag_with_ground_truth_tells_of_a_drop(card, tmp_path):
    """Its first joint states come before the first TaskState."""
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0)
    for k in range(120):
        held = 20 <= k < 60
        state = TaskState(
            task="pick", instruction=WORDS, episode=1, target_object="red_block", held_object="red_block" if held else "",
            first_touched="red_block" if k >= 20 else "",
        )  # fmt: skip
        state.objects.append(ObjectPose(name="red_block", pose=Pose(position=Point(x=0.5, y=0.0, z=0.06 if held else 0.02))))
        state.header.stamp = ns_to_stamp(START + k * 50 * MS + 10 * MS)
        draft.say(START + k * 50 * MS + 12 * MS, "vla/task_state", state)
    (episode,), _ = rows(draft, tmp_path, time_limit_s=6.0)
    assert (episode.outcome, episode.label) == ("FAILURE", "DROPPED")
    assert np.isclose(episode.first_bad_stamp_ns, START + 3 * SECOND, atol=0.2 * SECOND, rtol=0)
