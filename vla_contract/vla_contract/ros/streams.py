"""Images and joint states of a card, from their messages to whoever assembles them. Live and replay share these functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from vla_contract.card import CameraCard, StateCard
from vla_contract.card_state import JOINT_STATES, TYPES, WRENCH
from vla_contract.ros.images import ImageError, pixels_of
from vla_contract.ros.stamps import stamp_to_ns

if TYPE_CHECKING:
    from geometry_msgs.msg import WrenchStamped
    from sensor_msgs.msg import CompressedImage, Image, JointState


class Assembler(Protocol):
    """Takes what arrives, by camera and by stamp [ns]."""

    def add_image(self, camera: str, stamp_ns: int, image: np.ndarray, receipt_steady_ns: int = 0) -> None: ...
    def add_invalid_image(self, camera: str, problem: str, stamp_ns: int = 0) -> None: ...
    def add_joint_state(
        self, stamp_ns: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] = (),
        efforts: Sequence[float] = (), received_ns: int | None = None,
    ) -> None: ...  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One image of a camera. pixels (H, W, 3) uint8 RGB; None where it could not be read, and ``problem`` says why."""

    camera: str
    stamp_ns: int
    pixels: np.ndarray | None
    problem: str = ""


def read_frame(camera: CameraCard, message: Image | CompressedImage) -> Frame:
    """A camera's message as a frame."""
    stamp_ns = stamp_to_ns(message.header.stamp)
    try:
        pixels = pixels_of(camera, message)
    except ImageError as error:
        return Frame(camera.name, stamp_ns, None, str(error))
    return Frame(camera.name, stamp_ns, pixels)


def feed_frame(assembler: Assembler, frame: Frame, receipt_steady_ns: int = 0) -> None:
    """Gives a frame to the assembler; an unreadable one as its reason."""
    if frame.pixels is None:
        assembler.add_invalid_image(frame.camera, frame.problem, frame.stamp_ns)
    else:
        assembler.add_image(frame.camera, frame.stamp_ns, frame.pixels, receipt_steady_ns)


def state_message(state: StateCard, topic: str, message: JointState | WrenchStamped) -> JointState:
    """A message on one of the card's state topics, as joint states: with names for what this topic tells and no other.

    A wrench becomes "joints" that are named as its fields, with its numbers for positions [N, Nm].
    """
    if hasattr(message, "wrench"):
        from sensor_msgs.msg import JointState

        source = next(source for source in state.sources if source.topic == topic)
        vectors = (message.wrench.force, message.wrench.torque)
        values = [getattr(vector, axis) for vector in vectors for axis in "xyz"]
        return JointState(header=message.header, name=list(source.names), position=values)
    if state.sources:
        message.name = list(state.names_on(topic, message.name))
    return message


def state_class(kind: str) -> type[JointState] | type[WrenchStamped]:
    """The class of a ROS type of a state topic. Raises ValueError for another one."""
    from geometry_msgs.msg import WrenchStamped
    from sensor_msgs.msg import JointState

    classes = {TYPES[JOINT_STATES]: JointState, TYPES[WRENCH]: WrenchStamped}
    if kind not in classes:
        raise ValueError(f"{kind} tells no state; known are {', '.join(classes)}")
    return classes[kind]


def feed_joint_state(assembler: Assembler, message: JointState, received_ns: int | None = None) -> None:
    """Gives a joint state to the assembler. received_ns: what the node's clock showed when it came [ns]; None: not known."""
    stamp_ns = stamp_to_ns(message.header.stamp)
    assembler.add_joint_state(
        stamp_ns, message.name, message.position, message.velocity, message.effort, received_ns=received_ns
    )
