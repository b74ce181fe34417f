"""Cameras and joint states of a card, from their topics into an assembler. Live and replay share these functions."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image, JointState

from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.ros.images import ImageError, compressed_to_array, image_to_array
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_policy_node.assembler import ObservationAssembler


@dataclass(frozen=True)
class Frame:
    """One image of a camera. pixels (H, W, 3) uint8 RGB; None where it could not be read, and ``problem`` says why."""

    camera: str
    stamp_ns: int
    pixels: np.ndarray | None
    problem: str = ""


def image_topic(camera: CameraCard) -> str:
    """Relative topic that the camera is read from."""
    return f"{camera.topic}/compressed" if camera.compressed else camera.topic


def read_frame(camera: CameraCard, message: Image | CompressedImage) -> Frame:
    """A camera's message as a frame."""
    stamp_ns = stamp_to_ns(message.header.stamp)
    try:
        pixels = compressed_to_array(message) if camera.compressed else image_to_array(message)
    except ImageError as error:
        return Frame(camera.name, stamp_ns, None, str(error))
    return Frame(camera.name, stamp_ns, pixels)


def feed_frame(assembler: ObservationAssembler, frame: Frame, receipt_steady_ns: int = 0) -> None:
    """Gives a frame to the assembler; an unreadable one as its reason."""
    if frame.pixels is None:
        assembler.add_invalid_image(frame.camera, frame.problem)
    else:
        assembler.add_image(frame.camera, frame.stamp_ns, frame.pixels, receipt_steady_ns)


def feed_joint_state(assembler: ObservationAssembler, message: JointState) -> None:
    """Gives a joint state to the assembler."""
    stamp_ns = stamp_to_ns(message.header.stamp)
    assembler.add_joint_state(stamp_ns, message.name, message.position, message.velocity, message.effort)


def subscribe(
    node: Node, card: InterfaceCard, assembler: ObservationAssembler, qos: QoSProfile = SENSOR
) -> list[Subscription]:
    """One subscription for each camera, and one for the joint states. qos: a deeper one for who may fall behind."""

    def on_joint_state(message: JointState) -> None:
        feed_joint_state(assembler, message)

    cameras = [_subscribe_camera(node, camera, assembler, qos) for camera in card.cameras]
    return [*cameras, node.create_subscription(JointState, card.state.topic, on_joint_state, qos)]


def _subscribe_camera(
    node: Node, camera: CameraCard, assembler: ObservationAssembler, qos: QoSProfile
) -> Subscription:
    def on_image(message: Image | CompressedImage) -> None:
        receipt = time.monotonic_ns()
        feed_frame(assembler, read_frame(camera, message), receipt)

    kind = CompressedImage if camera.compressed else Image
    return node.create_subscription(kind, image_topic(camera), on_image, qos)
