"""The interface card: one YAML that describes a robot cell to policy, controller and simulator alike."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from vla_contract.card_checks import check_card
from vla_contract.card_content import CardContent, seconds_to_ns
from vla_contract.card_error import CardError, CardProblems, Problem
from vla_contract.card_hash import fingerprint, policy_contract
from vla_contract.card_messages import problems_of
from vla_contract.card_sections import (
    ActionCard,
    ArmCard,
    CameraCard,
    CollisionCard,
    CropCard,
    DatasetCard,
    DepthCard,
    GripperCard,
    LimitsCard,
    ResizeCard,
    Section,
    SmoothingCard,
    TaskCard,
)
from vla_contract.card_state import SourceCard, StateCard
from vla_contract.card_yaml import read_yaml
from vla_contract.files import FileError, read_text
from vla_contract.files.limits import CARD, scaled
from vla_contract.files.yaml_text import YamlError
from vla_contract.printing import kind_of

__all__ = [
    "ActionCard", "ArmCard", "CameraCard", "CardError", "CollisionCard", "CropCard", "DatasetCard", "DepthCard", "GripperCard",
    "InterfaceCard", "LimitsCard", "ResizeCard", "SmoothingCard", "SourceCard", "StateCard", "TaskCard", "load_card",
    "parse_card", "read_card_text", "seconds_to_ns",
]  # fmt: skip


MOST_PROBLEMS = 100
"""Told of one card."""


class InterfaceCard(CardContent):
    """A checked card. Build one with ``load_card`` or ``parse_card``, whose errors name the field."""

    @model_validator(mode="after")
    def _consistent(self) -> InterfaceCard:
        problems = list(islice(check_card(self), MOST_PROBLEMS))
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


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def load_card(path: str | Path) -> InterfaceCard:
    """Reads a card. CardError names the file, the field, what was seen and what is allowed."""
    path = Path(path)
    return parse_card(read_card_text(path), source=str(path))


def read_card_text(path: str | Path) -> str:
    """A card's file as it is. CardError as for ``load_card``."""
    path = Path(path)
    try:
        if path.is_dir():
            raise CardError(str(path), [Problem((), "is a folder; the path of a card (YAML) is needed")])
        return read_text(path, CARD)
    except FileNotFoundError:
        raise CardError(str(path), [Problem((), "no such file; the path of a card (YAML) is needed")]) from None
    except OSError as error:
        raise CardError(str(path), [Problem((), f"cannot be read: {error.strerror}")]) from None
    except FileError as error:
        raise CardError(str(path), [Problem((), f"cannot be read: {str(error).removeprefix(f'{path}: ')}")]) from None


def parse_card(text_or_dict: str | dict, source: str = "<string>") -> InterfaceCard:
    """A card from YAML text or from parsed content. CardError as for ``load_card``, beginning with ``source``."""
    content: Any = text_or_dict
    if isinstance(text_or_dict, str):
        try:
            if len(text_or_dict) > scaled(CARD):
                raise YamlError(f"{len(text_or_dict)} characters, a card has at most {scaled(CARD)}")
            content = read_yaml(text_or_dict)
        except YamlError as error:
            raise CardError(source, [Problem((), str(error))]) from None
    if not isinstance(content, dict):
        seen = "empty" if content is None else kind_of(content)
        raise CardError(source, [Problem((), f"{seen}, a card is a mapping of keys to values")])
    try:
        return InterfaceCard.model_validate(content)
    except ValidationError as error:
        raise CardError(source, problems_of(error, InterfaceCard)[:MOST_PROBLEMS]) from None
