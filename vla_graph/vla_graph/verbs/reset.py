"""`vla reset`: lays out a task in the simulated cell."""

from __future__ import annotations

import argparse
import sys

from vla_contract.arguments import whole
from vla_contract.printing import tell

HELP = "lay out a task in the simulated cell"

REFUSED = 1
_TIMEOUT_S = 5.0
_FIND_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla reset`."""
    parser.description = (
        "Lays out a task in the simulated cell, the arm at home. Prints the instruction of the scene, so that "
        '`vla run "$(vla reset pick --seed 7)"` does it. Exit code 0: done, 1: the simulator refused, 2: no simulator answers.'
    )
    parser.add_argument("task", help="task of the card, such as pick")
    parser.add_argument(
        "--seed", type=whole(0, 2**64 - 1), default=0, help="same task and seed, same scene and wording (default: %(default)s)"
    )
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot (default: none)")


def run(args: argparse.Namespace) -> int:
    """Prints the instruction once the controller has found the arm again. Raises RobotError where nobody answers."""
    from vla_contract.ros.qos import RELIABLE
    from vla_graph.controllers import several
    from vla_graph.ros.robot_client import SETTLE_S, RobotClient
    from vla_msgs.msg import ControllerStatus
    from vla_msgs.srv import Reset

    states: list[int] = []
    with RobotClient(args.namespace) as robot:
        robot.node.create_subscription(ControllerStatus, "vla/controller_status", lambda m: states.append(m.state), RELIABLE)
        request = Reset.Request(task=args.task, seed=args.seed)
        robot.wait_known()
        found = several("simulators", robot.publishers("vla/task_state"))
        if found:
            tell(f"vla reset: refused: {found}", file=sys.stderr)
            return REFUSED
        answer = robot.call(Reset, "vla_sim/reset", request, "is a simulator running", _TIMEOUT_S)
        if not answer.success:
            tell(f"vla reset: refused: {answer.message}", file=sys.stderr)
            return REFUSED
        # The arm was moved by hand, so to say: the controller has to notice that, and begin anew from where it stands.
        robot.until(lambda: False, SETTLE_S)
        states.clear()
        robot.until(lambda: states and states[-1] != ControllerStatus.DESYNC, _FIND_S if robot.node.count_publishers(
            robot.full_name("vla/controller_status")) else 0.0)
    tell(answer.instruction)
    return 0
