"""`vla up`: runs a launch file where there is no `ros2 launch`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from vla_contract.arguments import number
from vla_contract.card import load_card
from vla_contract.node_settings import check_together
from vla_contract.policy_spec import find_policy
from vla_contract.printing import tell
from vla_contract.recording import check_launch
from vla_contract.shipped import find_card, find_launch_file, find_model, model_of_card
from vla_graph.launch import Argument, LaunchError, LaunchPlan, Supervisor, arguments_of, parse_assignments, plan_launch
from vla_graph.launch.node_command import node_of
from vla_graph.launch.substitutions import truth

HELP = "start a launch file: vla up sim task:=pick"

_FIND = {"card": find_card, "checkpoint": find_policy, "model": find_model}
NO_SHADOW = "none"
"""Value of the launch argument ``shadow`` that leaves the node out."""


_OF_MOCK = ("mock_away", "mock_images", "rule")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla up`."""
    parser.add_argument("launch_file", help="name of a launch file of vla_bringup ('sim', 'real'), or a path")
    parser.add_argument("assignments", nargs="*", metavar="NAME:=VALUE",
                        help="launch arguments; card, checkpoint, shadow and model may be the names of shipped ones; "
                             "checkpoint and shadow also NAME:... of a policy that a package registers")
    parser.add_argument("-s", "--show-args", action="store_true", help="list the launch file's arguments and end")
    parser.add_argument("--patience", type=number(0, unit="s"), default=5.0,
                        help="after Ctrl-C, time before SIGTERM and again before SIGKILL [s] (default: %(default)s)")


def show(arguments: Sequence[Argument]) -> str:
    """The arguments of a launch file as text."""
    lines = []
    for argument in arguments:
        default = "must be given" if argument.default is None else f"default: '{argument.default}'"
        choices = "; one of: " + ", ".join(f"'{c}'" for c in argument.choices) if argument.choices else ""
        lines += [f"  {argument.name}  ({default}{choices})", f"      {argument.description or 'no description'}"]
    return "\n".join(lines) or "  none"


def check_inputs(values: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Tells a mistake in card, task, checkpoint, model, namespace or recording before anything is started. Raises one of the
    suite's errors.

    values: All launch arguments. given: Those without defaults.
    """
    from vla_contract.ros.joining import domain_problem

    if domain_problem():
        raise LaunchError(domain_problem())
    if values.get("namespace"):
        from vla_contract.ros.names import namespace_problem

        problem = namespace_problem(values["namespace"])
        if problem:
            raise LaunchError(f"namespace '{values['namespace']}': {problem}")
    if values.get("card"):
        card = load_card(find_card(values["card"]))
        tasks = [task.name for task in card.tasks]
        if values.get("task") and values["task"] not in tasks:
            raise LaunchError(f"no task '{values['task']}' in card '{card.name}'; it has: {', '.join(tasks)}")
    with_policy = truth(values.get("policy", "true"))
    if with_policy and values.get("strategy") == "committed_prefix" and _is_zero(values.get("committed_steps", "")):
        raise LaunchError("strategy:=committed_prefix needs committed_steps:=1 or more: without them it refuses every chunk")
    if "checkpoint" in values and with_policy:
        if not values["checkpoint"]:
            raise LaunchError("no checkpoint: give checkpoint:=... (a policy trained for the card), or policy:=false")
        find_policy(values["checkpoint"])
    if truth(values.get("use_sim_time", "false")) and "mock" in values:
        if truth(values["mock"]):
            raise LaunchError("use_sim_time:=true does not go with mock:=true: the mock publishes no /clock")
        if not truth(values.get("dry_run", "true")):
            raise LaunchError("use_sim_time:=true needs dry_run:=true: what follows a played clock commands no arm")
    if "mock" in values and not truth(values["mock"]):
        for name in _OF_MOCK:
            if name in given:
                raise LaunchError(f"{name} without mock:=true: it is of the mock, and none is started")
    check_launch(values, given, truth(values.get("record", "false")))
    if values.get("model"):
        find_model(values["model"])
    elif truth(values.get("mock", "false")):
        raise LaunchError("mock:=true needs model:=..., a URDF of the arm: without a robot nothing else describes it, and only a "
                          "shipped card has a shipped one")


def check_nodes(plan: LaunchPlan) -> None:
    """Tells parameters of a node that do not go together, or not with the card. Raises SettingsError or CardError."""
    for process in plan.processes:
        package, executable, parameters = node_of(process.command)
        card = parameters.get("card")
        check_together(package, executable, parameters, load_card(card) if card else None)


def _is_zero(text: str) -> bool:
    try:
        return int(text) == 0
    except ValueError:
        return False


def values_of(words: Sequence[str], path: Path) -> dict[str, str]:
    """Launch arguments from `name:=value` words, with paths for the names of what ships; the mock of a shipped card gets its
    model. Raises LaunchError or NotShippedError."""
    values = parse_assignments(words, arguments_of(path))
    for name, find in _FIND.items():
        if values.get(name):
            values[name] = str(find(values[name]))
    if values.get("card") and values.get("mock", "").lower() in ("true", "1") and not values.get("model"):
        values["model"] = str(model_of_card(values["card"]) or "")
    if values.get("shadow", NO_SHADOW) != NO_SHADOW:
        values["shadow"] = str(find_policy(values["shadow"]))
    return values


def run(args: argparse.Namespace) -> int:
    """Runs the launch file until it ends. Returns the exit code of `Supervisor.run`."""
    path = find_launch_file(args.launch_file)
    if args.show_args:
        tell(f"Arguments of {path.name} (name:=value):\n{show(arguments_of(path))}")
        return 0
    given = values_of(args.assignments, path)
    plan = plan_launch(path, given)
    check_inputs(plan.variables, given)
    check_nodes(plan)
    for message in plan.messages:
        tell(f"[launch] {message}", flush=True)
    return Supervisor(plan.processes, patience=args.patience).run()
