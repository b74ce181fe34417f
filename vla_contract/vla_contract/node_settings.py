"""What the nodes' numeric parameters may be. Whoever starts nodes tells a mistake by it before the first is there. No ROS."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress

from vla_contract.action_space import ActionSpace
from vla_contract.arguments import number, whole
from vla_contract.card import InterfaceCard
from vla_contract.recording import QUALITIES

SEEDS = (0, 2**63 - 1)
RATES = (0.01, 100.0)
"""Simulated seconds for one second of the wall."""
SPEED_SCALES = (0.05, 1.0)
COMMITTED_STEPS = (0, 99)
AWAY = 3.0
"""Of a mocked arm from its home, at most, to either side [rad]."""
REPLAN_STEPS = 4
"""Steps between two observations that are decided from, by default."""
_KINDS: dict[tuple[str, str], dict[str, Callable[[str], float]]] = {
    ("vla_sim", "sim"): {"seed": whole(*SEEDS), "rate": number(*RATES)},
    ("vla_sim", "mock"): {"away": number(-AWAY, AWAY, unit="rad")},
    ("vla_controller", "controller"): {"speed_scale": number(*SPEED_SCALES)},
    ("vla_policy_node", "policy"): {"committed_steps": whole(*COMMITTED_STEPS), "replan_steps": whole(1, 100)},
    ("vla_bags", "recorder"): {"jpeg_quality": whole(*QUALITIES)},
}


class SettingsError(ValueError):
    """Parameters of a node that do not go together. The message names them and what is allowed."""


def is_bounded(package: str, executable: str, parameter: str) -> bool:
    """Whether bounds of this parameter of a node are known here."""
    return parameter in _KINDS.get((package, executable), {})


def number_problem(package: str, executable: str, parameter: str, text: str) -> str:
    """Why this is no value for a parameter of a node, with what is ("is nan, allowed is ..."); empty where it is one."""
    try:
        _KINDS.get((package, executable), {}).get(parameter, str)(text)
    except argparse.ArgumentTypeError as error:
        return str(error)
    return ""


def check_together(package: str, executable: str, parameters: Mapping[str, object], card: InterfaceCard | None) -> None:
    """Raises SettingsError where parameters of a node are right each by itself, and not together or not with the card."""
    if (package, executable) == ("vla_sim", "sim") and parameters.get("rate", 1) != 1 and not parameters.get("publish_clock"):
        raise SettingsError(
            f"rate is {parameters['rate']:g}, allowed is 1 while use_sim_time is false: stamps are of the wall clock then"
        )
    if (package, executable) == ("vla_sim", "mock") and card is not None:
        check_away(card, parameters.get("away", 0.0))
    if (package, executable) == ("vla_policy_node", "policy") and card is not None:
        with suppress(KeyError):
            check_committed_steps(card, parameters["committed_steps"], parameters.get("replan_steps", REPLAN_STEPS))


def check_away(card: InterfaceCard, away: float) -> None:
    """Raises SettingsError where a mocked arm cannot begin so far from its home, about its first joint [rad]."""
    if not -AWAY <= away <= AWAY:
        raise SettingsError(f"away is {away:g} rad, allowed are {-AWAY:g} to {AWAY:g}")
    for arm in card.arms if away else ():
        low, high = (limits[0] - arm.home[0] for limits in (arm.limits.position_lower, arm.limits.position_upper))
        if not low <= away <= high:
            raise SettingsError(f"away is {away:g} rad, allowed are {low:.2f} to {high:.2f}: the limits of {arm.joints[0]}")


def check_committed_steps(card: InterfaceCard, committed_steps: int, replan_steps: int) -> None:
    """Raises SettingsError where so many steps of a chunk cannot repeat the one before, with what is allowed."""
    if card.action_space is ActionSpace.EE_RELATIVE:
        if committed_steps:
            raise SettingsError(
                f"committed_steps is {committed_steps}, allowed is 0 with action space EE_RELATIVE: its steps count from the "
                "observed tool pose, which the policy does not know"
            )
        return
    most = card.action.horizon - replan_steps
    if not 0 <= committed_steps <= most:
        raise SettingsError(
            f"committed_steps is {committed_steps}, allowed are 0 to {most}: the horizon, {card.action.horizon}, without the "
            f"replan_steps, {replan_steps}, after which the next chunk has to repeat this one"
        )
