"""Cameras and joint states of a card, from their topics into an assembler."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from vla_contract.awaited import Awaited
from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.streams import feed_frame, feed_joint_state, read_frame, state_class, state_message
from vla_policy.observing.assembler import ObservationAssembler


def subscribe(
    node: Node, card: InterfaceCard, assembler: ObservationAssembler, qos: QoSProfile = SENSOR, awaited: Awaited | None = None
) -> list[Subscription]:
    """One subscription for each camera, and one for each topic of the state. qos: a deeper one for who may fall behind. awaited:
    told of all that comes."""
    cameras = [_subscribe_camera(node, camera, assembler, qos, awaited) for camera in card.cameras]
    states = [_subscribe_state(node, card, topic, kind, assembler, qos, awaited) for topic, kind in card.state.topics.items()]
    return [*cameras, *states]


def _subscribe_state(
    node: Node, card: InterfaceCard, topic: str, kind: str, assembler: ObservationAssembler, qos: QoSProfile,
    awaited: Awaited | None,
) -> Subscription:  # fmt: skip
    def on_state(message: object) -> None:
        state = state_message(card.state, topic, message)
        if awaited is not None:
            awaited.heard(topic, time.monotonic(), state.name)
        feed_joint_state(assembler, state, node.get_clock().now().nanoseconds)

    return node.create_subscription(state_class(kind), topic, on_state, qos)


def _subscribe_camera(
    node: Node, camera: CameraCard, assembler: ObservationAssembler, qos: QoSProfile, awaited: Awaited | None
) -> Subscription:
    def on_image(message: Image | CompressedImage) -> None:
        receipt = time.monotonic_ns()
        if awaited is not None:
            awaited.heard(camera.image_topic, receipt * 1e-9)
        feed_frame(assembler, read_frame(camera, message), receipt)

    kind = CompressedImage if camera.compressed else Image
    return node.create_subscription(kind, camera.image_topic, on_image, qos)


def awaited_of(card: InterfaceCard) -> Awaited:
    """What a policy sees of a cell: a message on each camera's topic, and every joint and wrench of the state."""
    told: dict[str, dict[str, None]] = {topic: {} for topic in card.state.topics}
    for field in card.state.fields:
        source = card.state.source_of(field)
        is_name = source is not None and field in source.names
        told[card.state.topic_of(field)][field if is_name else field.rpartition(".")[0]] = None
    states = {topic: tuple(names) for topic, names in told.items() if names}
    return Awaited({**{camera.image_topic: () for camera in card.cameras}, **states})
