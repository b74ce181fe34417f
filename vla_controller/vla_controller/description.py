"""The arms' kinematics from a robot description, whichever of the two languages it is written in."""

from __future__ import annotations

from pathlib import Path

from vla_contract.card import InterfaceCard
from vla_motion.model import ModelError, RobotModel


def models_from_text(text: str, card: InterfaceCard) -> list[RobotModel]:
    """One model for each arm of the card, from MJCF or URDF. ModelError says what is missing."""
    if "<mujoco" in text:
        load = RobotModel.from_mjcf
    elif "<robot" in text:
        load = RobotModel.from_urdf
    else:
        raise ModelError(f"robot description begins {text[:40]!r}; MJCF (<mujoco ...>) or URDF (<robot ...>) is needed")
    return [load(text, list(arm.joints), arm.tool_frame, arm.base_frame) for arm in card.arms]


def models_from_file(path: str, card: InterfaceCard) -> list[RobotModel]:
    """As models_from_text; paths inside an MJCF count from its folder."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model {path}: cannot be read: {error}") from None
    if "<mujoco" in text:
        return [RobotModel.from_mjcf(Path(path), list(a.joints), a.tool_frame, a.base_frame) for a in card.arms]
    return models_from_text(text, card)
