"""What ROS allows as names, told in one line."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.exceptions import NameValidationException
from rclpy.validate_full_topic_name import validate_full_topic_name
from rclpy.validate_namespace import validate_namespace


def namespace_problem(namespace: str) -> str:
    """Why ROS does not allow a namespace, with or without the slash before it; empty: it does. "" is none, and allowed."""
    return _problem(validate_namespace, namespace if namespace.startswith("/") else f"/{namespace}")


def topic_problem(topic: str) -> str:
    """Why ROS does not allow an absolute name of a topic; empty: it does."""
    return _problem(validate_full_topic_name, topic)


def _problem(validate: Callable[[str], bool], name: str) -> str:
    try:
        validate(name)
    except NameValidationException as error:
        reason = str(error).splitlines()[0].rstrip(":")
        return f"{reason[:1].lower()}{reason[1:]}"
    return ""


_COMMANDS, _STATE = "/joint_trajectory", "/controller_state"


def controller_state_topic(trajectory_topic: str) -> str | None:
    """Where the joint trajectory controller of a trajectory topic tells its state; None where the topic is not one's."""
    if not trajectory_topic.endswith(_COMMANDS):
        return None
    return trajectory_topic.removesuffix(_COMMANDS) + _STATE
