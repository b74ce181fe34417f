"""The interface card: one YAML that describes a robot cell to policy, controller and simulator alike."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from vla_contract.action_space import GRIPPER, ActionSpace, arm_action_names
from vla_contract.card_checks import check_card
from vla_contract.card_error import CardError, CardProblems, Problem
from vla_contract.card_hash import fingerprint, policy_contract
from vla_contract.card_messages import problems_of
from vla_contract.card_sections import (
    ActionCard,
    ArmCard,
    CameraCard,
    CollisionCard,
    DatasetCard,
    GripperCard,
    LimitsCard,
    Section,
    StateCard,
    TaskCard,
    whole,
)
from vla_contract.card_yaml import DuplicateKeyError, read_yaml

__all__ = [
    "ActionCard", "ArmCard", "CameraCard", "CardError", "CollisionCard", "DatasetCard", "GripperCard", "InterfaceCard",
    "LimitsCard", "StateCard", "TaskCard", "load_card", "parse_card",
]  # fmt: skip


class InterfaceCard(Section):
    """A checked card. Build one with ``load_card`` or ``parse_card``, whose errors name the field."""

    schema_version: Annotated[Literal[1], BeforeValidator(whole)] = Field(1, description="version of this format")
    name: str = Field(description="name of the cell")
    description: str = Field("", min_length=0, description="what the cell is, in a sentence")
    arms: list[ArmCard] = Field(min_length=1, description="the arms")
    cameras: list[CameraCard] = Field(min_length=1, description="the cameras; the first gives observations their stamp")
    state: StateCard = Field(description="the proprioceptive fields")
    action: ActionCard = Field(description="the policy's output")
    max_open_loop: float = Field(description="longest motion on one chunk, from its stamp [s]")
    tasks: list[TaskCard] = Field(min_length=1, description="what the cell is for")
    dataset: DatasetCard = Field(description="the training data")
    failure_modes: list[str] = Field(default_factory=list, description="known ways to fail, in words")

    @model_validator(mode="after")
    def _consistent(self) -> InterfaceCard:
        problems = list(check_card(self))
        if problems:
            raise CardProblems(problems)
        return self

    def model_copy(self, *, update: dict[str, Any] | None = None, deep: bool = False) -> InterfaceCard:
        """A changed copy, checked like any other card and with hashes of its own. Raises CardError."""
        return parse_card({**self.to_dict(), **_plain(update or {})}, source=self.name)

    def to_dict(self) -> dict:
        """Parsed content as plain lists, numbers and text; ``parse_card`` takes it back."""
        return self.model_dump(mode="json")

    def policy_contract(self) -> dict:
        """What a model depends on; see card_hash."""
        return policy_contract(self)

    @cached_property
    def policy_hash(self) -> str:
        """Over what a model depends on. A checkpoint must match it. 16 hex digits."""
        return fingerprint(policy_contract(self))

    @cached_property
    def card_hash(self) -> str:
        """Over all parsed content. Policy node and controller must share it. 16 hex digits."""
        return fingerprint(self.to_dict())

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


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _named(items: list, name: str, what: str):
    for item in items:
        if item.name == name:
            return item
    raise KeyError(f"no {what} {name!r} in the card; it has {', '.join(item.name for item in items)}")


def seconds_to_ns(seconds: float) -> int:
    """Seconds as the YAML writes them, to the nearest nanosecond."""
    return round(seconds * 1e9)


def load_card(path: str | Path) -> InterfaceCard:
    """Reads a card. CardError names the file, the field, what was seen and what is allowed."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CardError(str(path), [Problem((), "no such file; the path of a card (YAML) is needed")]) from None
    except IsADirectoryError:
        raise CardError(str(path), [Problem((), "is a folder; the path of a card (YAML) is needed")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(str(path), [Problem((), f"cannot be read: {error}")]) from None
    return parse_card(text, source=str(path))


def parse_card(text_or_dict: str | dict, source: str = "<string>") -> InterfaceCard:
    """A card from YAML text or from parsed content. CardError as for ``load_card``, beginning with ``source``."""
    content: Any = text_or_dict
    if isinstance(text_or_dict, str):
        try:
            content = read_yaml(text_or_dict)
        except DuplicateKeyError as error:
            raise CardError(source, [Problem((), str(error))]) from None
        except yaml.YAMLError as error:
            raise CardError(source, [Problem((), f"not YAML: {' '.join(str(error).split())}")]) from None
    if not isinstance(content, dict):
        seen = "empty" if content is None else f"a {type(content).__name__}"
        raise CardError(source, [Problem((), f"{seen}, a card is a mapping of keys to values")])
    try:
        return InterfaceCard.model_validate(content)
    except ValidationError as error:
        raise CardError(source, problems_of(error, InterfaceCard)) from None
