"""The Panda with another horizon, one joint less or a second arm: what is measured must not hang on the shipped card."""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.card import InterfaceCard, parse_card
from vla_motion.model import RobotModel
from vla_sim.urdf import robot_urdf


@dataclass(frozen=True)
class Bench:
    """A card and the kinematics of its arms."""

    card: InterfaceCard
    models: tuple[RobotModel, ...]


def panda_bench(card: InterfaceCard, horizon: int, *, joints: int = 7, step_period: float | None = None) -> Bench:
    """The Panda's card with another horizon, and open loop for all of it.

    joints: 7; 6 with the third joint locked; 14 for two arms. Everything else is the card's. Raises ValueError for
    other numbers of joints.
    """
    content = card.model_dump(mode="json", exclude_unset=True)
    arm = content["arms"][0]
    if joints == 6:
        for key in ("position_lower", "position_upper", "velocity", "acceleration", "jerk"):
            del arm["limits"][key][2]
        del arm["home"][2]
        locked = arm["joints"].pop(2)
        content["state"]["fields"] = [f for f in content["state"]["fields"] if not f.startswith(f"{locked}.")]
        arms = [(arm, robot_urdf())]
    elif joints == 7:
        arms = [(arm, robot_urdf())]
    elif joints == 14:
        arms = [_renamed(arm, side) for side in ("left", "right")]
        columns = [name.split(".")[1] for name in content["action"]["names"]]
        content["action"]["names"] = [f"{side}.{column}" for side in ("left", "right") for column in columns]
        content["state"]["fields"] = [f"{joint}.position" for arm, _ in arms for joint in arm["joints"]]
    else:
        raise ValueError(f"joints is {joints}, allowed are 6, 7 and 14")
    content["arms"] = [arm for arm, _ in arms]
    content["action"]["horizon"] = horizon
    if step_period is not None:
        content["action"]["step_period"] = step_period
    content["max_open_loop"] = max(content["max_open_loop"], (horizon + 1) * content["action"]["step_period"])
    models = [
        RobotModel.from_urdf(urdf, joints=arm["joints"], tool_frame=arm["tool_frame"], base_frame=arm["base_frame"])
        for arm, urdf in arms
    ]
    return Bench(parse_card(content, source=f"{card.name}, {joints} joints"), tuple(models))


def _renamed(arm: dict, side: str) -> tuple[dict, str]:
    """Arm section and URDF of the same arm under another name."""

    def rename(value):
        if isinstance(value, str):
            return value.replace("panda_", f"{side}_")
        if isinstance(value, dict):
            return {key: rename(item) for key, item in value.items()}
        return [rename(item) for item in value] if isinstance(value, list) else value

    return {**rename(arm), "name": side}, robot_urdf().replace("panda_", f"{side}_")
