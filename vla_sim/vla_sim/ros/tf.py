"""Frames to /tf and /tf_static, where the message type for it is installed."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.node import Node

from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.stamps import ns_to_stamp
from vla_sim.frames import FramePose

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

PERIOD_NS = 20_000_000
"""Least time between two transforms of the moving frames [ns]."""


def transform_to_msg(pose: FramePose, stamp_ns: int) -> TransformStamped:
    """The pose of a frame at stamp_ns [ns]."""
    message = TransformStamped(child_frame_id=pose.child)
    message.header.frame_id = pose.parent
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.transform.translation = Vector3(**dict(zip("xyz", map(float, pose.translation), strict=True)))
    message.transform.rotation = Quaternion(**dict(zip("xyzw", map(float, pose.quaternion), strict=True)))
    return message


class TransformPublisher:
    """Publishes frames, or says once that it cannot."""

    def __init__(self, node: Node) -> None:
        self._last_ns: int | None = None
        self._moving = self._static = None
        if TFMessage is None:
            node.get_logger().info("no TF: tf2_msgs is not installed")
            return
        self._moving = node.create_publisher(TFMessage, "/tf", RELIABLE)
        self._static = node.create_publisher(TFMessage, "/tf_static", LATCHED)

    def is_due(self, now_ns: int) -> bool:
        """Whether the moving frames are to be published again; a clock set back does not keep them."""
        if self._moving is None:
            return False
        return self._last_ns is None or not 0 <= now_ns - self._last_ns < PERIOD_NS

    def moving(self, poses: Iterable[FramePose], now_ns: int) -> None:
        """Frames that move with the joints, as they are at now_ns [ns]."""
        if self._moving is not None:
            self._last_ns = now_ns
            self._moving.publish(TFMessage(transforms=[transform_to_msg(pose, now_ns) for pose in poses]))

    def fixed(self, poses: Iterable[FramePose], now_ns: int) -> None:
        """Frames that stay as they are; they replace those published before."""
        if self._static is not None:
            self._static.publish(TFMessage(transforms=[transform_to_msg(pose, now_ns) for pose in poses]))
