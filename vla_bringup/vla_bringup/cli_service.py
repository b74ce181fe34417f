"""`vla stop`, `vla resume`, `vla home`: the controller's services. Imports little: a stop must not wait for Python."""

from __future__ import annotations

import argparse

REFUSED = 1
"""Exit code where the controller answered that it does not do it."""
_TIMEOUT_S = 4.0
"""Nodes without our Fast DDS profile say only every 3 s that they are there [s]."""
_AGAIN_S = 0.5

DESCRIPTIONS = {
    "stop": "Brakes the arm within its limits and latches: chunks are refused until `vla resume`. This is software, and needs "
    "the controller's process: it is no emergency stop.",
    "resume": "Releases `vla stop`: the controller takes chunks again.",
    "home": "Moves the arm to the card's home position, at the controller's speed scale. Returns as soon as the controller "
    "has said whether it goes.",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the three verbs."""
    verb = parser.get_default("verb")
    parser.description = f"{DESCRIPTIONS[verb]} Exit code 0: done, 1: the controller refused, 2: no controller answers."
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot (default: none)")


def run(args: argparse.Namespace) -> int:
    """Prints the controller's answer in a line. Raises RobotError where there is none."""
    from std_srvs.srv import Trigger

    from vla_bringup.robot_client import RobotClient

    with RobotClient(args.namespace) as robot:
        # A request can be lost where the controller has not found us yet. Home is asked once: a second one would be refused.
        again = None if args.verb == "home" else _AGAIN_S
        who = "is the controller running"
        answer = robot.call(Trigger, f"vla/{args.verb}", Trigger.Request(), who, _TIMEOUT_S, again_after=again)
    words = answer.message or ("done" if answer.success else "no reason given")
    print(f"{args.verb}: {'' if answer.success else 'refused: '}{words}")
    return 0 if answer.success else REFUSED
