"""Which topics a card has, of which type, and where in the card each stands."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.card import InterfaceCard
from vla_contract.card_state import TYPES, WRENCH
from vla_contract.gripper_actions import type_name

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JOINTS, TRAJECTORY = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"
WRENCHES = TYPES[WRENCH]
NUMBERS, CHUNK, INFO = "std_msgs/msg/Float64MultiArray", "vla_msgs/msg/ActionChunk", "vla_msgs/msg/PolicyInfo"
CLOCK = "rosgraph_msgs/msg/Clock"
CHUNK_TOPIC, INFO_TOPIC = "vla/action_chunk", "vla/policy_info"
SOLE_TOPICS = {"vla/controller_status": "controllers", "vla/policy_status": "policies", "vla/task_state": "simulators"}
"""Each published by one node of a robot, and what those are."""


@dataclass(frozen=True)
class CardTopic:
    """A topic of the card: path of its field, message type, and whether it is a command (else a measurement)."""

    topic: str
    field: str
    type: str
    is_command: bool


def card_topics(card: InterfaceCard) -> list[CardTopic]:
    """In the order of the card. The action of a gripper stands for the topics that it has; its type is that of the action."""
    topics = []
    for i, arm in enumerate(card.arms):
        topics.append(CardTopic(arm.trajectory_topic, f"arms[{i}].trajectory_topic", TRAJECTORY, True))
        if arm.gripper and arm.gripper.interface == "jtc":
            topics.append(CardTopic(arm.gripper.topic, f"arms[{i}].gripper.topic", TRAJECTORY, True))
        elif arm.gripper and arm.gripper.interface == "binary":
            topics.append(CardTopic(arm.gripper.topic, f"arms[{i}].gripper.topic", NUMBERS, True))
        elif arm.gripper:
            topics.append(CardTopic(arm.gripper.topic, f"arms[{i}].gripper.topic", type_name(arm.gripper.interface), True))
    for i, camera in enumerate(card.cameras):
        kind = COMPRESSED if camera.compressed else IMAGE
        topics.append(CardTopic(camera.image_topic, f"cameras[{i}].topic", kind, False))
    topics.append(CardTopic(card.state.topic, "state.topic", JOINTS, False))
    for i, source in enumerate(card.state.sources):
        topics.append(CardTopic(source.topic, f"state.sources[{i}].topic", TYPES[source.type], False))
    return topics
