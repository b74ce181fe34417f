"""The sections of an interface card. Each field's description says its unit and meaning, and is part of the error."""

from __future__ import annotations

from itertools import product
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """Frozen; unknown keys, text for numbers, and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, str_min_length=1)


def whole(value: Any) -> Any:
    """224.0 as 224, so that the way a number is written makes no difference; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(whole)]

Vector3 = Annotated[list[float], Field(min_length=3, max_length=3)]


class GripperCard(Section):
    name: str = Field(description="name of the gripper")
    interface: Literal["jtc", "gripper_command", "binary"] = Field(description="how the gripper is driven")
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
    joints: list[str] = Field(min_length=1, description="joint names, from the base outward")
    trajectory_topic: str = Field(description="relative topic of the joint trajectory controller")
    replacement_rule: Literal["legacy", "splice"] = Field(
        description="what the joint trajectory controller does when a new trajectory meets a running one"
    )
    home: list[float] = Field(description="position to return to, one number for each joint [rad]")
    gripper: GripperCard | None = Field(None, description="the gripper; null: none")
    limits: LimitsCard = Field(description="what the arm must never exceed")


class CameraCard(Section):
    name: str = Field(description="name that the policy knows the camera by")
    topic: str = Field(description="relative topic of its images")
    frame: str = Field(description="optical frame")
    width: Whole = Field(description="pixels")
    height: Whole = Field(description="pixels")
    encoding: Literal["rgb8", "bgr8", "rgba8", "bgra8", "mono8"] = Field(description="as in sensor_msgs/Image")
    rate: float = Field(description="images a second [Hz]")
    max_age: float = Field(description="oldest image to decide from [s]")
    compressed: bool = Field(False, description="true: topic/compressed is read instead")


class StateCard(Section):
    topic: str = Field(description="relative topic of the joint states")
    fields: list[str] = Field(min_length=1, description="<joint>.position, .velocity or .effort, in the policy's order")
    max_age: float = Field(description="oldest joint state to decide from [s]")
    max_skew: float = Field(description="largest distance in time between state and images, and between cameras [s]")


class ActionCard(Section):
    space: Literal["JOINT_POSITION", "JOINT_RELATIVE", "JOINT_DELTA", "EE_POSE", "EE_RELATIVE", "EE_DELTA"] = Field(
        description="what the columns mean"
    )
    names: list[str] = Field(min_length=1, description="one name for each column")
    step_period: float = Field(description="time from one step to the next [s]")
    horizon: Whole = Field(description="steps in a chunk")


class TaskCard(Section):
    name: str = Field(description="name of the task")
    wording: list[str] = Field(min_length=1, description="ways to say it; {slot} stands for one of the slot's values")
    slots: dict[str, list[str]] = Field(default_factory=dict, description="values of each slot in the wording")
    success_metric: str = Field(description="what counts as success, in words")
    time_limit: float = Field(description="longest duration of a trial [s]")

    def instructions(self) -> list[str]:
        """Every sentence that the wording makes. Two slots of one sentence never take the same value."""
        sentences: list[str] = []
        for template in self.wording:
            slots = template_slots(template)
            for values in product(*(self.slots[slot] for slot in slots)):
                if len(set(values)) == len(values):
                    sentences.append(template.format(**dict(zip(slots, values))))
        return sentences


class DatasetCard(Section):
    licence: str = Field(description="licence of the training data, as SPDX writes it")
    source: str = Field(description="where the data comes from")


def template_slots(template: str) -> list[str]:
    """Names of the slots in a wording, each once, in order. ValueError where a brace is left open."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    return list(dict.fromkeys(names))
