"""The sections of an interface card. Each field's description says its unit and meaning, and is part of the error."""

from __future__ import annotations

from itertools import product
from math import prod
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from vla_contract.image_encodings import DepthRange, Encoding


class Section(BaseModel):
    """Frozen; unknown keys, text for numbers, and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_min_length=1)


def whole(value: Any) -> Any:
    """224.0 as 224, so that the way a number is written makes no difference; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(whole)]

Vector3 = Annotated[list[float], Field(min_length=3, max_length=3)]

MOST_ARMS, MOST_JOINTS, MOST_CAMERAS, MOST_COLUMNS = 16, 64, 32, 1024
MOST_SENTENCES = 10_000
"""Of all tasks, slots filled in."""


class GripperCard(Section):
    name: str = Field(description="name of the gripper")
    interface: Literal["jtc", "gripper_command", "parallel_gripper_command", "binary"] = Field(
        description="how the gripper is driven: by a joint trajectory controller, by an action of control_msgs, by one number"
    )
    topic: str = Field(description="relative topic of its commands")
    joint: str = Field(description="joint in joint_states that tells its opening")
    open_position: float = Field(description="joint position when open [m, or rad for a revolute joint]")
    closed_position: float = Field(description="joint position when closed [m, or rad for a revolute joint]")
    open_value: float = Field(description="what the policy says for open")
    closed_value: float = Field(description="what the policy says for closed")


class CollisionCard(Section):
    self_collision: bool = Field(description="refuse motion where the arm would touch itself")
    table_height: float | None = Field(None, description="height of the table in the base frame [m]; null: no table")


class LimitsCard(Section):
    position_lower: list[float] = Field(description="one number for each joint [rad]")
    position_upper: list[float] = Field(description="one number for each joint [rad]")
    velocity: list[float] = Field(description="one number for each joint [rad/s]")
    acceleration: list[float] = Field(description="one number for each joint [rad/s^2]")
    jerk: list[float] = Field(description="one number for each joint [rad/s^3]")
    workspace_min: Vector3 = Field(description="x, y, z of the tool in the base frame [m]")
    workspace_max: Vector3 = Field(description="x, y, z of the tool in the base frame [m]")
    tool_speed: float = Field(description="largest speed of the tool [m/s]")
    tool_angular_speed: float = Field(description="largest angular speed of the tool [rad/s]")
    tracking_tolerance: float = Field(description="largest distance of a joint from its command [rad]")
    collision: CollisionCard = Field(description="self_collision and table_height")


class ArmCard(Section):
    name: str = Field(description="name of the arm, first part of its action names")
    base_frame: str = Field(description="frame of Cartesian values")
    tool_frame: str = Field(description="frame that Cartesian actions move")
    joints: list[str] = Field(min_length=1, max_length=MOST_JOINTS, description="joint names, from the base outward")
    trajectory_topic: str = Field(description="relative topic of the joint trajectory controller")
    replacement_rule: Literal["legacy", "splice"] = Field(
        description="what the joint trajectory controller does when a new trajectory meets a running one"
    )
    home: list[float] = Field(description="position to return to, one number for each joint [rad]")
    gripper: GripperCard | None = Field(None, description="the gripper; null: none")
    limits: LimitsCard = Field(description="what the arm must never exceed")


_CAME_LATER = ("crop", "resize", "depth")
"""Of a camera's fields."""


class CropCard(Section):
    x: Whole = Field(description="left edge [px]")
    y: Whole = Field(description="upper edge [px]")
    width: Whole = Field(description="pixels that are kept")
    height: Whole = Field(description="pixels that are kept")


class ResizeCard(Section):
    width: Whole = Field(description="pixels that the policy sees")
    height: Whole = Field(description="pixels that the policy sees")
    aspect: Literal["keep", "stretch"] = Field(
        "keep", description="keep: the image keeps its proportions, what is left over beside it is black; stretch: it fills all"
    )


class DepthCard(Section):
    near: float = Field(description="distance that becomes white [m]")
    far: float = Field(description="distance that becomes black but for one level; where nothing was measured it is black [m]")


class CameraCard(Section):
    name: str = Field(description="name that the policy knows the camera by")
    topic: str = Field(description="topic of its images: in the robot's namespace, or absolute (/camera/color/image_raw)")
    frame: str = Field(description="optical frame")
    width: Whole = Field(description="pixels")
    height: Whole = Field(description="pixels")
    encoding: Encoding = Field(description="as in sensor_msgs/Image; of compressed images that before they were compressed")
    rate: float = Field(description="images a second [Hz]")
    max_age: float = Field(description="oldest image to decide from [s]")
    compressed: bool = Field(False, description="true: topic/compressed is read instead")
    crop: CropCard | None = Field(None, description="the part that the policy sees; null: the whole image")
    resize: ResizeCard | None = Field(None, description="what is left after `crop`, brought to this size; null: as it is")
    depth: DepthCard | None = Field(None, description="distances that a 16UC1 camera's images show; needed there, null elsewhere")

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """Without what came later and is not given: the hashes of a card that does not use it stay."""
        return {key: value for key, value in serialise(self).items() if value is not None or key not in _CAME_LATER}

    @property
    def depth_range(self) -> DepthRange | None:
        """What the card asks of depth."""
        return DepthRange(self.depth.near, self.depth.far) if self.depth else None

    @property
    def image_topic(self) -> str:
        """Topic that the images are read from."""
        return f"{self.topic}/compressed" if self.compressed else self.topic

    @property
    def info_topic(self) -> str:
        """Topic of its camera_info, beside that of its images."""
        folder, slash, _ = self.topic.rpartition("/")
        return f"{folder}{slash}camera_info"


def image_type(camera: CameraCard) -> str:
    """ROS type of a camera's images."""
    return "sensor_msgs/msg/CompressedImage" if camera.compressed else "sensor_msgs/msg/Image"


class SmoothingCard(Section):
    enabled: bool = Field(True, description="false: each step is met as it is, within the limits")
    cutoff: float | None = Field(
        None,
        description="wishes that oscillate so fast come out half as large, slower ones as they are [rad/s]; null: 30",
    )
    position: float = Field(0.002, description="a step whose tool smoothing moves farther is told as clamped [m]")
    angle: float = Field(0.01, description="the same for the tool's turn, in joint spaces for each joint [rad]")


class ActionCard(Section):
    space: Literal["JOINT_POSITION", "JOINT_RELATIVE", "JOINT_DELTA", "EE_POSE", "EE_RELATIVE", "EE_DELTA"] = Field(
        description="what the columns mean"
    )
    names: list[str] = Field(
        min_length=1, max_length=MOST_COLUMNS,
        description="one name for each column, arm after arm: ARM.x, ARM.y, ARM.z, ARM.rx, ARM.ry, ARM.rz, in joint spaces those "
        "of the joints; ARM.gripper where it has one",
    )  # fmt: skip
    step_period: float = Field(description="time from one step to the next [s]")
    horizon: Whole = Field(description="steps in a chunk")
    smoothing: SmoothingCard | None = Field(None, description="how the controller smooths the steps; null: as its defaults say")

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """As for cameras: the hashes of a card without `smoothing` stay."""
        return {key: value for key, value in serialise(self).items() if value is not None or key != "smoothing"}


class TaskCard(Section):
    name: str = Field(description="name of the task")
    wording: list[str] = Field(min_length=1, description="ways to say it; {slot} stands for one of the slot's values")
    slots: dict[str, list[str]] = Field(default_factory=dict, description="values of each slot in the wording")
    success_metric: str = Field(description="what counts as success, in words")
    time_limit: float = Field(description="longest duration of a trial [s]")

    def sentence_count(self) -> int:
        """Sentences that the wording makes, those with one value in two slots counted. ValueError as ``template_slots``."""
        return sum(prod(len(self.slots.get(slot, ())) for slot in template_slots(template)) for template in self.wording)

    def instructions(self) -> list[str]:
        """Every sentence that the wording makes. Two slots of one sentence never take the same value."""
        return [sentence for sentence, _ in self.readings()]

    def readings(self) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        """Every sentence with the value of each slot in it, (name, value), by name."""
        found: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        for template in self.wording:
            slots = template_slots(template)
            for values in product(*(self.slots[slot] for slot in slots)):
                if len(set(values)) == len(values):
                    chosen = dict(zip(slots, values))
                    found.append((template.format(**chosen), tuple(sorted(chosen.items()))))
        return found


class DatasetCard(Section):
    licence: str = Field(description="licence of the training data, as SPDX writes it")
    source: str = Field(description="where the data comes from")


def template_slots(template: str) -> list[str]:
    """Names of the slots in a wording, each once, in order. ValueError where a brace is left open, or holds more than a name."""
    names = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if form or conversion or not name.isidentifier():  # {name:>999999999} would be a sentence of a gigabyte
            raise ValueError(f"{{{name}}} holds more than a name" if name else "{} has no name")
        names.append(name)
    return list(dict.fromkeys(names))
