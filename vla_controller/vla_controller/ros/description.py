"""The arms' kinematics from a robot description, whichever of the two languages it is written in."""

from __future__ import annotations

from pathlib import Path

from vla_contract.card import InterfaceCard
from vla_motion.description import MJCF, language_of, plain, read_description
from vla_motion.model import RobotModel


def models_from_text(text: str, card: InterfaceCard) -> list[RobotModel]:
    """One model for each arm of the card, from MJCF or URDF. ModelError says what is missing."""
    load = RobotModel.from_mjcf if language_of(text) == MJCF else RobotModel.from_urdf
    text = plain(text)
    return [load(text, list(arm.joints), arm.tool_frame, arm.base_frame) for arm in card.arms]


def models_from_file(path: str, card: InterfaceCard) -> list[RobotModel]:
    """As models_from_text; paths inside an MJCF count from its folder."""
    text = read_description(path)
    if language_of(text, Path(path).parent) == MJCF:
        return [RobotModel.from_mjcf(Path(path), list(a.joints), a.tool_frame, a.base_frame) for a in card.arms]
    return models_from_text(text, card)
