"""`vla run`: an instruction to the policy of a running robot, watched until it ends."""

from __future__ import annotations

import argparse

from vla_contract.arguments import instruction, number

HELP = "run the policy on an instruction, until it ends or Ctrl-C"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla run`."""
    parser.description = (
        "Runs the policy on an instruction and watches until it ends. Ctrl-C cancels it and waits until the arm rests. Exit code "
        "0: the task was done; 1: it failed, or was refused or aborted; 2: no policy answers; 3: it went to its end, and nobody "
        "can tell whether it was done, as on a real arm; 130: Ctrl-C."
    )
    parser.add_argument("instruction", type=instruction, help='what to do, in words: "pick up the red block"')
    parser.add_argument(
        "--time-limit", type=number(0, 86_400, unit="s"), default=0.0, metavar="S",
        help="longest duration [s] (default: the card's for its tasks)",
    )  # fmt: skip
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot (default: none)")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code. Raises RobotError where nobody answers."""
    from vla_graph.ros.run_watch import RunWatch, noted_signals

    with noted_signals() as signals:
        return RunWatch(args.instruction, args.time_limit, args.namespace, signals).run()
