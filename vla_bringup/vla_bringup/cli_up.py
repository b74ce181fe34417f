"""`vla up`: runs a launch file where there is no `ros2 launch`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from vla_bringup.launch_runner import Argument, LaunchError, Supervisor, arguments_of, parse_assignments, plan_launch
from vla_bringup.launch_runner.substitutions import truth
from vla_bringup.names import find_card, find_checkpoint, find_launch_file, find_model
from vla_contract.card import load_card

_FIND = {"card": find_card, "checkpoint": find_checkpoint, "model": find_model}
NO_SHADOW = "none"
"""Value of the launch argument ``shadow`` that leaves the node out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla up`."""
    parser.add_argument("launch_file", help="name of a launch file of vla_bringup ('sim', 'real'), or a path")
    parser.add_argument("assignments", nargs="*", metavar="NAME:=VALUE",
                        help="launch arguments; card, checkpoint, shadow and model may be the names of shipped ones")
    parser.add_argument("-s", "--show-args", action="store_true", help="list the launch file's arguments and end")
    parser.add_argument("--patience", type=float, default=5.0,
                        help="after Ctrl-C, time before SIGTERM and again before SIGKILL [s] (default: %(default)s)")


def show(arguments: Sequence[Argument]) -> str:
    """The arguments of a launch file as text."""
    lines = []
    for argument in arguments:
        default = "must be given" if argument.default is None else f"default: '{argument.default}'"
        choices = "; one of: " + ", ".join(f"'{c}'" for c in argument.choices) if argument.choices else ""
        lines += [f"  {argument.name}  ({default}{choices})", f"      {argument.description or 'no description'}"]
    return "\n".join(lines) or "  none"


def check_inputs(values: Mapping[str, str]) -> None:
    """Tells a mistake in card, task, checkpoint or model before anything is started. Raises one of the suite's errors."""
    if values.get("card"):
        card = load_card(find_card(values["card"]))
        tasks = [task.name for task in card.tasks]
        if values.get("task") and values["task"] not in tasks:
            raise LaunchError(f"no task '{values['task']}' in card '{card.name}'; it has: {', '.join(tasks)}")
    if "checkpoint" in values and truth(values.get("policy", "true")):
        if not values["checkpoint"]:
            raise LaunchError("no checkpoint: give checkpoint:=... (a policy trained for the card), or policy:=false")
        find_checkpoint(values["checkpoint"])
    if values.get("model"):
        find_model(values["model"])
    elif truth(values.get("mock", "false")):
        raise LaunchError("mock:=true needs model:=..., a URDF of the arm: without a robot nothing else describes it")


def run(args: argparse.Namespace) -> int:
    """Runs the launch file until it ends. Returns the exit code of `Supervisor.run`."""
    path = find_launch_file(args.launch_file)
    declared = arguments_of(path)
    if args.show_args:
        print(f"Arguments of {path.name} (name:=value):\n{show(declared)}")
        return 0
    values = parse_assignments(args.assignments, declared)
    for name, find in _FIND.items():
        if values.get(name):
            values[name] = str(find(values[name]))
    if values.get("shadow", NO_SHADOW) != NO_SHADOW:
        values["shadow"] = str(find_checkpoint(values["shadow"]))
    plan = plan_launch(path, values)
    check_inputs(plan.variables)
    for message in plan.messages:
        print(f"[launch] {message}", flush=True)
    return Supervisor(plan.processes, patience=args.patience).run()
