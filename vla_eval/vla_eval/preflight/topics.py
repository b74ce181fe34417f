"""Which topics a card has, of which type, and where in the card each stands."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.card import CameraCard, InterfaceCard

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JOINTS, TRAJECTORY = "sensor_msgs/msg/JointState", "trajectory_msgs/msg/JointTrajectory"
NUMBERS, CHUNK, INFO = "std_msgs/msg/Float64MultiArray", "vla_msgs/msg/ActionChunk", "vla_msgs/msg/PolicyInfo"
CLOCK = "rosgraph_msgs/msg/Clock"
CHUNK_TOPIC, INFO_TOPIC = "vla/action_chunk", "vla/policy_info"


@dataclass(frozen=True)
class CardTopic:
    """A topic of the card: path of its field, message type, and whether it is a command (else a measurement)."""

    topic: str
    field: str
    type: str
    is_command: bool


def camera_topic(camera: CameraCard) -> str:
    """Where its pictures really are."""
    return f"{camera.topic}/compressed" if camera.compressed else camera.topic


def card_topics(card: InterfaceCard) -> list[CardTopic]:
    """In the order of the card. A gripper that is driven by an action has no topic of its own."""
    topics = []
    for i, arm in enumerate(card.arms):
        topics.append(CardTopic(arm.trajectory_topic, f"arms[{i}].trajectory_topic", TRAJECTORY, True))
        if arm.gripper and arm.gripper.interface == "jtc":
            topics.append(CardTopic(arm.gripper.topic, f"arms[{i}].gripper.topic", TRAJECTORY, True))
        elif arm.gripper and arm.gripper.interface == "binary":
            topics.append(CardTopic(arm.gripper.topic, f"arms[{i}].gripper.topic", NUMBERS, True))
    for i, camera in enumerate(card.cameras):
        kind = COMPRESSED if camera.compressed else IMAGE
        topics.append(CardTopic(camera_topic(camera), f"cameras[{i}].topic", kind, False))
    topics.append(CardTopic(card.state.topic, "state.topic", JOINTS, False))
    return topics
