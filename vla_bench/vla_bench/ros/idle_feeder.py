"""Joint states and controller states of an arm that stands, at a rate: run by `vla bench --only idle` as a process of its own.

    python -m vla_bench.ros.idle_feeder CARD RATE
"""

from __future__ import annotations

import sys
import time

import rclpy
from control_msgs.msg import JointTrajectoryControllerState
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectoryPoint

from vla_contract.card import InterfaceCard, load_card
from vla_contract.ros.joining import join_graph
from vla_contract.ros.names import controller_state_topic
from vla_contract.ros.qos import RELIABLE
from vla_contract.ros.stamps import ns_to_stamp


class IdleFeeder(Node):
    """Publishes what a joint state broadcaster and the joint trajectory controllers of a card do, as often as they do."""

    def __init__(self, card: InterfaceCard) -> None:
        super().__init__("idle_feeder")
        self._told = []
        by_topic: dict[str, list[tuple[str, float]]] = {}
        for arm in card.arms:
            for joint, at in zip(arm.joints, arm.home):
                by_topic.setdefault(card.state.topic_of(joint), []).append((joint, float(at)))
            topic = controller_state_topic(arm.trajectory_topic)
            if topic is not None:
                count = len(arm.joints)
                point = JointTrajectoryPoint(positions=list(map(float, arm.home)), velocities=[0.0] * count)
                names, still = list(arm.joints), JointTrajectoryPoint(positions=[0.0] * count, velocities=[0.0] * count)
                message = JointTrajectoryControllerState(joint_names=names, reference=point, feedback=point, error=still)
                message.speed_scaling_factor = 1.0
                self._told.append((self.create_publisher(JointTrajectoryControllerState, topic, RELIABLE), message))
        for topic, joints in by_topic.items():
            names, zeros = [name for name, _ in joints], [0.0] * len(joints)
            message = JointState(name=names, position=[at for _, at in joints], velocity=zeros, effort=zeros)
            self._told.append((self.create_publisher(JointState, topic, RELIABLE), message))

    def publish(self) -> None:
        """One message on each topic, stamped now."""
        stamp = ns_to_stamp(self.get_clock().now().nanoseconds)
        for publisher, message in self._told:
            message.header.stamp = stamp
            publisher.publish(message)


def main() -> None:
    """Until it is ended."""
    card, rate = load_card(sys.argv[1]), float(sys.argv[2])
    context = rclpy.get_default_context()
    join_graph(context)
    feeder = IdleFeeder(card)
    print("publishing", flush=True)
    due = time.monotonic()
    while context.ok():
        feeder.publish()
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
