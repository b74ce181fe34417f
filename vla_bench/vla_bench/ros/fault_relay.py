"""Stands between the simulator and the rest of the graph, and breaks what passes through on demand.

    python -m vla_bench.ros.fault_relay /clock:faulty/clock ...

It passes serialized messages on, so that an intact relay costs about a millisecond. Orders come as JSON on `fault/order`:

    {"drop": [topics], "repeat": [topics], "freeze": [topics], "stuck": [joints], "offset_ns": 0, "split": [topics],
     "ahead_ns": 0, "gap_ms": [length, period]}

drop: nothing passes. repeat: the last message again and again, with its old stamp. freeze: the last content with new stamps.
stuck: these joints stay, in joint states, where they were. offset_ns: added to the stamps of all that comes from the
simulator and taken off what goes to it. split: joint states come in two halves from two publishers, each in the reverse order.
ahead_ns: before the next joint state comes one of its first half with a stamp so far ahead. gap_ms: joint states stay away for so
long in each period. What is not named is in order. The answer on `fault/state` carries the order and the
steady clock [ns].
"""

from __future__ import annotations

import json
import struct
import sys
import time

import rclpy
from control_msgs.msg import JointTrajectoryControllerState
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.ros.run import run_node

KINDS = {
    "clock": Clock, "image": Image, "joints": JointState, "trajectory": JointTrajectory,
    "controller": JointTrajectoryControllerState,
}  # fmt: skip
_STAMP = 4  # the stamp comes first in all of these messages, behind four bytes that tell the encoding


def restamped(data: bytes, offset_ns: int) -> bytes:
    """A serialized message whose first field is a stamp, with `offset_ns` added to it. A stamp of zero stays."""
    order = "<" if data[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", data, _STAMP)
    if not seconds and not nanoseconds:
        return data
    seconds, nanoseconds = divmod(seconds * 10**9 + nanoseconds + offset_ns, 10**9)
    return data[:_STAMP] + struct.pack(f"{order}iI", seconds, nanoseconds) + data[_STAMP + 8 :]


def with_stamp_of(data: bytes, newer: bytes) -> bytes:
    """`data` with the stamp of another message of its kind."""
    return data[:_STAMP] + newer[_STAMP : _STAMP + 8] + data[_STAMP + 8 :]


def halves(data: bytes) -> tuple[bytes, bytes]:
    """A joint state as two, of the first and of the other joints, each from its last joint to its first."""
    message = deserialize_message(data, JointState)
    middle, parts = len(message.name) // 2, []
    for part in (slice(None, middle), slice(middle, None)):
        made = JointState(header=message.header)
        for field in ("name", "position", "velocity", "effort"):
            values = list(getattr(message, field))
            setattr(made, field, values[part][::-1])
        parts.append(serialize_message(made))
    return parts[0], parts[1]


class Relay(Node):
    """Routes are (kind, topic to listen on, topic to speak on)."""

    def __init__(self, routes: list[tuple[str, str, str]]) -> None:
        super().__init__("fault_relay")
        self._order: dict = {}
        self._last: dict[str, bytes] = {}
        self._stuck: dict[str, float] = {}
        self._state = self.create_publisher(String, "fault/state", LATCHED)
        self.create_subscription(String, "fault/order", self._on_order, RELIABLE)
        for kind, source, target in routes:
            qos = RELIABLE if kind == "trajectory" else SENSOR
            out = self.create_publisher(KINDS[kind], target, qos)
            if kind == "joints":
                self._second = self.create_publisher(JointState, target, qos)
            self.create_subscription(
                KINDS[kind], source, lambda data, k=kind, s=source, o=out: self._pass(k, s, o, data), qos, raw=True
            )
        self._tell()

    def _tell(self) -> None:
        self._state.publish(String(data=json.dumps({"order": self._order, "steady_ns": time.monotonic_ns()})))

    def _on_order(self, message: String) -> None:
        self._order = json.loads(message.data)
        self._stuck, self._ahead_ns = {}, self._order.get("ahead_ns", 0)
        self._tell()

    def _pass(self, kind: str, topic: str, out, data: bytes) -> None:
        order = self._order
        if topic in order.get("drop", ()):
            return
        if topic in order.get("repeat", ()):
            data = self._last.get(topic, data)
        elif topic in order.get("freeze", ()):
            data = with_stamp_of(self._last.get(topic, data), data)
        else:
            self._last[topic] = data
        if kind == "joints" and order.get("stuck"):
            data = self._with_stuck_joints(data, order["stuck"])
        if kind == "joints":
            if self._is_in_gap(order.get("gap_ms")):
                return
            if order.pop("ahead_ns", 0):
                out.publish(restamped(halves(data)[0], self._ahead_ns))
            if topic in order.get("split", ()):
                first, second = halves(data)
                out.publish(first)
                self._second.publish(second)
                return
        offset = order.get("offset_ns", 0)
        if offset:
            data = restamped(data, -offset if kind == "trajectory" else offset)
        out.publish(data)

    def _is_in_gap(self, gap_ms: list[int] | None) -> bool:
        return bool(gap_ms) and time.monotonic_ns() // 1_000_000 % gap_ms[1] < gap_ms[0]

    def _with_stuck_joints(self, data: bytes, joints: list[str]) -> bytes:
        message = deserialize_message(data, JointState)
        for joint in joints:
            index = message.name.index(joint)
            message.position[index] = self._stuck.setdefault(joint, message.position[index])
            message.velocity[index] = 0.0
        return serialize_message(message)


def main() -> None:
    """Entry point; each argument is KIND:SOURCE:TARGET."""
    words = rclpy.utilities.remove_ros_args(sys.argv)[1:]
    routes = [tuple(word.split(":")) for word in words]
    sys.exit(run_node(lambda _: Relay(routes), "fault_relay", (ValueError,)))


if __name__ == "__main__":
    main()
