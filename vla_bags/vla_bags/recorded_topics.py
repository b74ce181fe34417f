"""Which topics of a graph belong into a bag."""

from __future__ import annotations

from collections.abc import Iterable

from vla_bags.entries import BagError
from vla_contract.card import InterfaceCard

SUITE = (
    "vla/action_chunk",
    "vla/chunk_report",
    "vla/policy_info",
    "vla/policy_status",
    "vla/controller_status",
    "vla/task_state",
    "vla/shadow/action_chunk",
    "vla/shadow/policy_info",
    "robot_description",
)
TYPES = {
    "vla/action_chunk": "vla_msgs/msg/ActionChunk",
    "vla/chunk_report": "vla_msgs/msg/ChunkReport",
    "vla/policy_info": "vla_msgs/msg/PolicyInfo",
    "vla/policy_status": "vla_msgs/msg/PolicyStatus",
    "vla/controller_status": "vla_msgs/msg/ControllerStatus",
    "vla/task_state": "vla_msgs/msg/TaskState",
    "vla/shadow/action_chunk": "vla_msgs/msg/ActionChunk",
    "vla/shadow/policy_info": "vla_msgs/msg/PolicyInfo",
    "robot_description": "std_msgs/msg/String",
    "clock": "rosgraph_msgs/msg/Clock",
}
"""What the suite's topics are of: a bag that says otherwise is not read as if they were."""
SHARED = ("/clock", "/tf_static", "/rosout")
"""Outside every namespace."""


def type_of(topic: str) -> str | None:
    """The type that a topic of the suite has, in whatever namespace; None for another topic."""
    return next((kind for name, kind in TYPES.items() if topic == name or topic.endswith(f"/{name}")), None)


def card_topics(card: InterfaceCard) -> list[str]:
    """Topics of a card, as it names them: images with camera_info, joint states, trajectories and gripper commands."""
    topics = []
    for camera in card.cameras:
        topics.append(camera.image_topic)
        topics.append(camera.info_topic)
    topics += card.state.topics
    for arm in card.arms:
        topics.append(arm.trajectory_topic)
        topics.append(f"{arm.trajectory_topic.rsplit('/', 1)[0]}/controller_state")
        if arm.gripper:
            topics.append(arm.gripper.topic)
    return topics


def default_topics(card: InterfaceCard) -> list[str]:
    """All that the evidence is made of, each once."""
    return list(dict.fromkeys([*card_topics(card), *SUITE, *SHARED]))


def check_names(namespace: str, topics: Iterable[str]) -> None:
    """Raises BagError where ROS allows no such namespace ("": none), or no such topic in it; it names the offender."""
    from vla_contract.ros.names import namespace_problem, topic_problem

    problems = [(f"namespace '{namespace}'", namespace_problem(namespace))]
    problems += [(f"topic '{topic}'", topic_problem(absolute(topic, namespace))) for topic in topics]
    for what, problem in problems:
        if problem:
            raise BagError(f"{what}: {problem}")


def absolute(topic: str, namespace: str) -> str:
    """Absolute name of a topic as it is seen from a namespace ("" or "/": none)."""
    if topic.startswith("/"):
        return topic
    return f"/{namespace.strip('/')}/{topic}".replace("//", "/")
