"""Publishes the state of an imitated cell on every topic that its card has for it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from builtin_interfaces.msg import Time
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState

from vla_contract.card import StateCard
from vla_contract.card_state import TYPES, WRENCH
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.streams import state_class


class StateTopics:
    """Each joint comes on the topic that the card has for it, and on no other. A wrench is of a tool that touches nothing."""

    def __init__(self, node: Node, state: StateCard) -> None:
        self._state = state
        kinds = state.topics.items()
        self._publishers = {topic: node.create_publisher(state_class(kind), topic, SENSOR) for topic, kind in kinds}

    def publish(self, stamp: Time, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float]) -> None:
        """Positions and velocities of these joints (J,) [rad or m, and per second]."""
        for topic, kind in self._state.topics.items():
            if kind == TYPES[WRENCH]:
                message = WrenchStamped()
            else:
                mine = [i for i, name in enumerate(self._state.names_on(topic, names)) if name]
                message = JointState(
                    name=[names[i] for i in mine], position=array("d", (positions[i] for i in mine)),
                    velocity=array("d", (velocities[i] for i in mine)),
                )  # fmt: skip
            message.header.stamp = stamp
            self._publishers[topic].publish(message)
