"""What a card says, field by field. `card.InterfaceCard` is this, checked, with its hashes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from vla_contract.action_space import GRIPPER, ActionSpace, arm_action_names
from vla_contract.card_sections import (
    MOST_ARMS,
    MOST_CAMERAS,
    ActionCard,
    ArmCard,
    CameraCard,
    DatasetCard,
    Section,
    TaskCard,
    whole,
)
from vla_contract.card_state import StateCard


class CardContent(Section):
    """The fields, and what follows from them alone."""

    schema_version: Annotated[Literal[1], BeforeValidator(whole)] = Field(1, description="version of this format")
    name: str = Field(description="name of the cell")
    description: str = Field("", min_length=0, description="what the cell is, in a sentence")
    arms: list[ArmCard] = Field(min_length=1, max_length=MOST_ARMS, description="the arms")
    cameras: list[CameraCard] = Field(
        min_length=1, max_length=MOST_CAMERAS, description="the cameras; the first gives observations their stamp"
    )
    state: StateCard = Field(description="the proprioceptive fields")
    action: ActionCard = Field(description="the policy's output")
    max_open_loop: float = Field(description="when the arm is at rest again, from the stamp of its newest chunk [s]")
    tasks: list[TaskCard] = Field(min_length=1, description="what the cell is for")
    dataset: DatasetCard = Field(description="the training data")
    failure_modes: list[str] = Field(default_factory=list, description="known ways to fail, in words")

    @property
    def action_space(self) -> ActionSpace:
        return ActionSpace[self.action.space]

    @property
    def action_dim(self) -> int:
        return len(self.action.names)

    @property
    def state_dim(self) -> int:
        return len(self.state.fields)

    @property
    def step_period_ns(self) -> int:
        return seconds_to_ns(self.action.step_period)

    @property
    def max_open_loop_ns(self) -> int:
        return seconds_to_ns(self.max_open_loop)

    @property
    def camera_names(self) -> list[str]:
        return [camera.name for camera in self.cameras]

    @property
    def gripper_columns(self) -> list[int]:
        """Action columns of grippers, in order."""
        grippers = {f"{arm.name}.{GRIPPER}" for arm in self.arms if arm.gripper}
        return [column for column, name in enumerate(self.action.names) if name in grippers]

    def arm(self, name: str) -> ArmCard:
        """KeyError names the arms there are."""
        return _named(self.arms, name, "arm")

    def camera(self, name: str) -> CameraCard:
        """KeyError names the cameras there are."""
        return _named(self.cameras, name, "camera")

    def task(self, name: str) -> TaskCard:
        """KeyError names the tasks there are."""
        return _named(self.tasks, name, "task")

    def arm_columns(self, name: str) -> list[int]:
        """Columns that move this arm, without its gripper."""
        wanted = self.arm(name)
        motion = arm_action_names(self.action_space, name, wanted.joints, has_gripper=False)
        return [self.action.names.index(column) for column in motion]

    def gripper_column(self, name: str) -> int | None:
        """Column of this arm's gripper, or None where it has none."""
        return self.action.names.index(f"{name}.{GRIPPER}") if self.arm(name).gripper else None


def _named(items: list, name: str, what: str):
    for item in items:
        if item.name == name:
            return item
    raise KeyError(f"no {what} {name!r} in the card; it has {', '.join(item.name for item in items)}")


def seconds_to_ns(seconds: float) -> int:
    """Seconds as the YAML writes them, to the nearest nanosecond."""
    return round(seconds * 1e9)
