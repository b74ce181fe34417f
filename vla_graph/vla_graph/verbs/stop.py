"""`vla stop`: the controller's service `vla/stop`."""

from __future__ import annotations

import argparse

from vla_graph import trigger

HELP = "brake the arm and latch, until resume"
_DESCRIPTION = (
    "Brakes the arm within its limits and latches: chunks are refused until `vla resume`. This is software, and needs "
    "the controller's process: it is no emergency stop. Where several controllers answer, it reaches all of them and names "
    "them; code 1 also where one of them does not say that it is stopped, or another node commands the arm."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla stop`."""
    trigger.add_arguments(parser, _DESCRIPTION)


def run(args: argparse.Namespace) -> int:
    """Prints the controller's answer. Raises RobotError where there is none."""
    return trigger.stop(args.namespace)
