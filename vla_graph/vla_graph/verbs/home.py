"""`vla home`: the controller's service `vla/home`."""

from __future__ import annotations

import argparse

from vla_graph import trigger

HELP = "move the arm to the card's home position"
_DESCRIPTION = (
    "Moves the arm to the card's home position, at the controller's speed scale. Returns as soon as the controller has "
    "said whether it goes. Refused where several controllers answer, which it names."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla home`."""
    trigger.add_arguments(parser, _DESCRIPTION)


def run(args: argparse.Namespace) -> int:
    """Prints the controller's answer. Raises RobotError where there is none."""
    return trigger.ask("home", args.namespace, alone=True)  # asked once: a second request would be refused
