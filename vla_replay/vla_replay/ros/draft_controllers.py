"""Asks the controllers of the running graph which joints they move: by the state that they tell, else by their parameters."""

from __future__ import annotations

from collections.abc import Mapping

from rcl_interfaces.srv import GetParameters
from rclpy.action import get_action_names_and_types

from vla_contract.gripper_actions import GRIPPER_ACTIONS, type_name
from vla_contract.ros.names import controller_state_topic
from vla_replay.preflight.draft_controllers import Controller
from vla_replay.preflight.topics import NUMBERS, TRAJECTORY
from vla_replay.ros.preflight_graph import Listener

STATE = "control_msgs/msg/JointTrajectoryControllerState"
ANSWER_S = 2.0
"""For the answers of all controllers, together [s]."""
_PARAMETERS = ("joints", "joint")
"""Of trajectory and forward controllers, and of gripper controllers."""


def controllers_in(listener: Listener, topics: Mapping[str, str], told: Mapping[str, tuple[str, ...]]) -> list[Controller]:
    """All that take commands in the listener's namespace.

    Args:
        topics: Type of each topic there, by relative name.
        told: Joints that were heard on a ``controller_state`` topic, by relative name.
    """
    namespace = listener.resolve("x").removesuffix("x")
    commands = ((TRAJECTORY, "/joint_trajectory", "jtc"), (NUMBERS, "/commands", "binary"))
    found = [
        (topic, interface) for wanted, end, interface in commands for topic, kind in sorted(topics.items())
        if kind == wanted and topic.endswith(end)
    ]  # fmt: skip
    interfaces = {type_name(interface): interface for interface in GRIPPER_ACTIONS}
    for name, kinds in sorted(get_action_names_and_types(listener.node)):
        if name.startswith(namespace) and kinds and kinds[0] in interfaces:
            found.append((name.removeprefix(namespace), interfaces[kinds[0]]))
    heard = {topic: told.get(controller_state_topic(topic) or "", ()) for topic, _ in found}
    asked = _ask(listener, sorted({topic.rpartition("/")[0] for topic, _ in found if not heard[topic] and "/" in topic}))
    return [
        Controller(topic, interface, heard[topic] or asked.get(topic.rpartition("/")[0], ()), bool(heard[topic]))
        for topic, interface in found
    ]


def _ask(listener: Listener, nodes: list[str]) -> dict[str, tuple[str, ...]]:
    """The joints that the parameters of these nodes name; a node without such parameters, or that is silent, is left out."""
    clients = {name: listener.node.create_client(GetParameters, f"{name}/get_parameters") for name in nodes}
    listener.spin_until(lambda: all(client.service_is_ready() for client in clients.values()), ANSWER_S / 4)
    answers = {
        # one by one: a name that is not declared spoils the whole answer
        (name, parameter): client.call_async(GetParameters.Request(names=[parameter]))
        for name, client in clients.items() if client.service_is_ready() for parameter in _PARAMETERS
    }  # fmt: skip
    listener.spin_until(lambda: all(answer.done() for answer in answers.values()), ANSWER_S)
    joints: dict[str, tuple[str, ...]] = {}
    for (name, _), answer in answers.items():
        for value in answer.result().values if answer.done() and answer.exception() is None else ():
            named = tuple(value.string_array_value) or ((value.string_value,) if value.string_value else ())
            joints[name] = joints.get(name) or named
    return joints
