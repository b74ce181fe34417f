"""What arms and their trajectory controllers say, taken when the controller looks: the newest of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from rclpy.node import Node
from sensor_msgs.msg import JointState

from vla_contract.awaited import Awaited
from vla_contract.card import InterfaceCard
from vla_contract.ros.names import controller_state_topic
from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.ros.streams import state_message
from vla_controller.books.output import Output
from vla_controller.controller import ChunkController
from vla_controller.ros.controller_state import ControllerStateMsg, StateReader
from vla_controller.ros.polled import Polled


class ArmInputs:
    """Subscribes to a card's joint states and, where control_msgs is installed, to what its trajectory controllers say.

    awaited: is told of joints that are heard of.
    """

    def __init__(self, node: Node, card: InterfaceCard, awaited: Awaited) -> None:
        self._card, self._awaited = card, awaited
        self._states = {
            topic: (frozenset(joints), Polled(node, JointState, topic)) for topic, joints in joints_by_topic(card).items()
        }
        self._newest_ns = dict.fromkeys(self._states, 0)
        self._controllers = []
        if ControllerStateMsg is None:
            node.get_logger().info("no control_msgs: the trajectory controllers' own state is not read")
            return
        for index, arm in enumerate(card.arms):
            topic = controller_state_topic(arm.trajectory_topic)
            if topic is not None:
                self._controllers.append((index, StateReader(), Polled(node, ControllerStateMsg, topic)))

    def take(self, core: ChunkController | None, now: Callable[[], int]) -> Iterator[Output]:
        """Hands what has come since the last call to the core; what it makes of it, to be published at once.

        core: None, and only ``awaited`` hears of it. now: the node's time [ns].
        """
        for topic, (joints, polled) in self._states.items():
            for message in self._newest(joints, topic, polled, now()):
                self._awaited.heard(topic, time.monotonic(), message.name)
                if core is not None:
                    stamp_ns = stamp_to_ns(message.header.stamp)
                    core.on_joint_state(stamp_ns, message.name, message.position, message.velocity or None, now())
        for arm, reader, polled in self._controllers:
            message = next(polled.newest_first(), None)
            read = None if message is None else reader.read(message)
            if core is not None and read is not None:
                yield core.on_controller_state(arm, *read, now(), stamp_to_ns(message.header.stamp))

    def _newest(self, joints: frozenset[str], topic: str, polled: Polled, now_ns: int) -> list[JointState]:
        """As few messages as tell of all these joints, oldest first. One that cannot be used, is of the future, or is older than
        what was heard before tells of none, whatever it says: behind a second driver's the right ones may wait."""
        latest_ns = now_ns + self._card.state.ahead_ns
        known_ns = newest_ns = min(self._newest_ns[topic], latest_ns)  # the clock may have been set back
        taken, told = [], set()
        for message in polled.newest_first():
            message = state_message(self._card.state, topic, message)
            taken.append(message)
            stamp_ns = stamp_to_ns(message.header.stamp)
            if known_ns <= stamp_ns <= latest_ns and _is_sound(message):
                told.update(message.name)
                newest_ns = max(newest_ns, stamp_ns)
            if joints <= told:
                break
        self._newest_ns[topic] = newest_ns
        return taken[::-1]


def _is_sound(message: JointState) -> bool:
    names, positions = message.name, message.position
    return len(positions) == len(names) == len(set(names)) and all(map(math.isfinite, positions))


def joints_by_topic(card: InterfaceCard) -> dict[str, list[str]]:
    """The topics that tell joints of the arms, and which."""
    told: dict[str, list[str]] = {}
    for joint in (joint for arm in card.arms for joint in arm.joints):
        told.setdefault(card.state.topic_of(joint), []).append(joint)
    return told
