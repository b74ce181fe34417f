"""What the imitated joint trajectory controllers say of themselves, where the message type for it is installed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectoryPoint

from vla_contract.ros.names import controller_state_topic
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.stamps import ns_to_stamp
from vla_sim.jtc import JointTrajectoryEndpoint

try:
    from control_msgs.msg import JointTrajectoryControllerState
except ImportError:
    JointTrajectoryControllerState = None


class ControllerStatePublisher:
    """One publisher of `<jtc>/controller_state` for each trajectory topic that is a joint trajectory controller's.

    Says once where it cannot publish.
    """

    def __init__(self, node: Node, trajectory_topics: Iterable[str]) -> None:
        self._publishers = {}
        if JointTrajectoryControllerState is None:
            node.get_logger().info("no controller_state: control_msgs is not installed")
            return
        for topic in trajectory_topics:
            beside = controller_state_topic(topic)
            if beside is not None:
                self._publishers[topic] = node.create_publisher(JointTrajectoryControllerState, beside, SENSOR)

    def publish(self, topic: str, endpoint: JointTrajectoryEndpoint, q: np.ndarray, v: np.ndarray, now_ns: int) -> None:
        """The state of the controller of a trajectory topic at now_ns [ns]; nothing before its first update.

        q, v (J,): measured [rad] or [m], and their speed.
        """
        publisher = self._publishers.get(topic)
        reference = endpoint.desired
        if publisher is None or np.isnan(reference[0]).any():
            return
        message = JointTrajectoryControllerState(
            joint_names=endpoint.joint_names, reference=_point(*reference), feedback=_point(q, v),
            error=_point(reference[0] - q, reference[1] - v), output=_point(endpoint.command[0]),
            speed_scaling_factor=endpoint.speed_scaling,
        )  # fmt: skip
        message.header.stamp = ns_to_stamp(now_ns)
        publisher.publish(message)


def _point(*rows: np.ndarray) -> JointTrajectoryPoint:
    """Positions, velocities and accelerations, as many as are given and known."""
    fields = ("positions", "velocities", "accelerations")
    known = {name: array("d", row) for name, row in zip(fields, rows) if not np.isnan(row).any()}
    return JointTrajectoryPoint(**known)
