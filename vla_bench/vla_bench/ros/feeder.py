"""Numbered synthetic messages for a recorder, so that what is missing in its bag can be named."""

from __future__ import annotations

import threading
import time

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState

from vla_contract.card import InterfaceCard
from vla_contract.ros.joining import join_graph
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.stamps import ns_to_stamp
from vla_msgs.msg import ActionChunk, PolicyInfo

_IMAGES, _STATES, _CHUNKS, _INFO = "front/image_raw", "joint_states", "vla/action_chunk", "vla/policy_info"


class Feeder:
    """Publishes numbered synthetic messages from its own thread: 100 joint states, 30 images and 5 chunks a second.

    All reliable, so that what is missing in a bag was lost by the recorder.

    Attributes:
        sent: (topic, steady time [ns], serialized message), in order.
    """

    def __init__(self, domain: int, card: InterfaceCard) -> None:
        self._context = Context()
        join_graph(self._context, domain)
        self.node = Node("feeder", context=self._context)
        self.sent: list[tuple[str, int, bytes]] = []
        kinds = {_IMAGES: Image, _STATES: JointState, _CHUNKS: ActionChunk}
        self._publishers = {topic: self.node.create_publisher(kind, topic, RELIABLE) for topic, kind in kinds.items()}
        self._info = self.node.create_publisher(PolicyInfo, _INFO, LATCHED)
        self._info.publish(
            PolicyInfo(policy="synthetic", card_name=card.name, card_hash=card.card_hash, policy_hash=card.policy_hash)
        )
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def is_heard(self) -> bool:
        """Somebody listens to every topic."""
        return all(publisher.get_subscription_count() for publisher in self._publishers.values())

    def close(self) -> None:
        """Ends publishing."""
        self._end.set()
        self._thread.join(5.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _run(self) -> None:
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self.node)
        pixels, tick = bytes(64 * 64 * 3), 0
        while not self._end.wait(0.01):
            stamp = ns_to_stamp(time.time_ns())
            messages = {_STATES: JointState(name=["a"], position=[float(tick)])}
            messages[_STATES].header.stamp = stamp
            if tick % 3 == 0:
                messages[_IMAGES] = Image(width=64, height=64, step=192, encoding="rgb8", data=pixels)
                messages[_IMAGES].header.stamp = stamp
            if tick % 20 == 0:
                messages[_CHUNKS] = ActionChunk(sequence=tick)
            for topic, message in messages.items():
                data = serialize_message(message)
                self._publishers[topic].publish(data)
                self.sent.append((f"/{topic}", time.monotonic_ns(), data))
            executor.spin_once(timeout_sec=0)
            tick += 1
        executor.shutdown()
