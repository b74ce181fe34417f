"""Asking one of the controller's services from the command line. Imports little: a stop must not wait for Python."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vla_contract.printing import tell

if TYPE_CHECKING:
    from std_srvs.srv import Trigger

    from vla_graph.ros.robot_client import RobotClient

REFUSED = 1
"""Exit code where the controller answered that it does not do it."""
_TIMEOUT_S = 4.0
"""Nodes without our Fast DDS profile say only every 3 s that they are there [s]."""
AGAIN_S = 0.5
"""A request can be lost where the controller has not found us yet: it is sent again after this long [s]."""


def add_arguments(parser: argparse.ArgumentParser, description: str) -> None:
    """Options of a verb that asks a service."""
    parser.description = f"{description} Exit code 0: done, 1: the controller refused, 2: no controller answers."
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot (default: none)")


def ask(service: str, namespace: str, *, alone: bool) -> int:
    """Calls `vla/<service>` of a robot's one controller and prints the answer in a line; the exit code.

    alone: Where several controllers answer nothing is asked, and once where one does: of what sets the arm in motion. Else all
    are asked, and it is told afterwards; that is no success either.

    Raises RobotError where nobody answers.
    """
    from vla_graph.ros.controllers import Controllers
    from vla_graph.ros.robot_client import RobotClient

    with RobotClient(namespace) as robot:
        found = Controllers(robot).several()
        if found and alone:
            tell(f"{service}: refused: {found}")
            return REFUSED
        answer = _call(robot, service, again_after=None if alone else AGAIN_S)
        _tell(service, answer)  # before the node is taken down
    if found:
        tell(f"{service}: {found}")
    return 0 if answer.success and not found else REFUSED


def stop(namespace: str) -> int:
    """Calls `vla/stop` at once and prints the answer; then sees to it that no controller has missed it. The exit code.

    Raises RobotError where nobody answers.
    """
    from vla_graph.ros.robot_client import RobotClient

    with RobotClient(namespace) as robot:
        answer = _call(robot, "stop", again_after=AGAIN_S)
        _tell("stop", answer)
        from vla_graph.ros.controllers import Controllers  # only now: the stop comes first

        stopped, lines = Controllers(robot).stop_all(answer)
    for line in lines:
        tell(f"stop: {line}")
    return 0 if stopped else REFUSED


def _call(robot: RobotClient, service: str, again_after: float | None) -> Trigger.Response:
    from std_srvs.srv import Trigger

    who = "is the controller running (at its very first start it compiles kernels for a minute or two, and says so)"
    return robot.call(Trigger, f"vla/{service}", Trigger.Request(), who, _TIMEOUT_S, again_after=again_after)


def _tell(service: str, answer: Trigger.Response) -> None:
    words = answer.message or ("done" if answer.success else "no reason given")
    bad = "NOT ALL: " if service == "stop" else "refused: "
    tell(f"{service}: {'' if answer.success else bad}{words}", flush=True)
