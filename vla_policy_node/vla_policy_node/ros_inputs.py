"""Cameras and joint states of a card, from their topics into an assembler."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState

from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.ros.images import ImageError, compressed_to_array, image_to_array
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_policy_node.assembler import ObservationAssembler


def subscribe(node: Node, card: InterfaceCard, assembler: ObservationAssembler) -> list[Subscription]:
    """One subscription for each camera, and one for the joint states."""

    def on_joint_state(message: JointState) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        assembler.add_joint_state(stamp_ns, message.name, message.position, message.velocity, message.effort)

    cameras = [_subscribe_camera(node, camera, assembler) for camera in card.cameras]
    return [*cameras, node.create_subscription(JointState, card.state.topic, on_joint_state, SENSOR)]


def _subscribe_camera(node: Node, camera: CameraCard, assembler: ObservationAssembler) -> Subscription:
    def on_image(message: Image | CompressedImage) -> None:
        receipt = time.monotonic_ns()
        try:
            pixels = compressed_to_array(message) if camera.compressed else image_to_array(message)
        except ImageError as error:
            assembler.add_invalid_image(camera.name, str(error))
            return
        assembler.add_image(camera.name, stamp_to_ns(message.header.stamp), pixels, receipt)

    topic = f"{camera.topic}/compressed" if camera.compressed else camera.topic
    return node.create_subscription(CompressedImage if camera.compressed else Image, topic, on_image, SENSOR)
