"""`vla resume`: the controller's service `vla/resume`."""

from __future__ import annotations

import argparse

from vla_graph import trigger

HELP = "release a stop"
_DESCRIPTION = (
    "Releases `vla stop`: the controller takes chunks again. Code 1 also where several controllers answer, which it names."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla resume`."""
    trigger.add_arguments(parser, _DESCRIPTION)


def run(args: argparse.Namespace) -> int:
    """Prints the controller's answer. Raises RobotError where there is none."""
    return trigger.ask("resume", args.namespace, alone=False)
