"""Which topics of a graph belong into a bag."""

from __future__ import annotations

from collections.abc import Iterable

from vla_contract.card import InterfaceCard
from vla_eval.bags.entries import BagError

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
SHARED = ("/clock", "/tf_static", "/rosout")
"""Outside every namespace."""


def card_topics(card: InterfaceCard) -> list[str]:
    """Relative topics of a card: images with camera_info, joint states, trajectories and gripper commands."""
    topics = []
    for camera in card.cameras:
        topics.append(f"{camera.topic}/compressed" if camera.compressed else camera.topic)
        topics.append(f"{camera.topic.rsplit('/', 1)[0]}/camera_info")
    topics.append(card.state.topic)
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
