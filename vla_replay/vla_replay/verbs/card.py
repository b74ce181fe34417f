"""`vla card`: checks an interface card, alone or against a graph, a bag or a checkpoint; drafts one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vla_contract.camera_view import CameraView
from vla_contract.card import InterfaceCard, load_card, parse_card
from vla_contract.files import write_text
from vla_contract.printing import tell
from vla_contract.shipped import NotShippedError, find_card, find_checkpoint, find_model, model_of_card

HELP = "check an interface card against graph, bag or checkpoint; draft one"

FOUND_ERRORS = 1
"""Exit code where the card is valid and what was compared with it does not fit."""


class CardCommandError(ValueError):
    """Something that `vla card` was asked to do and cannot."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla card`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="validate a card and print its hashes; compare it with a graph, a bag or a checkpoint",
        description="Validates a card, and lists the bodies of its arms that no check holds apart. With --graph, --bag or "
        "--checkpoint: does what is really there fit? "
        "Exit code 0: no errors, 1: errors were found, 2: the card or an option is wrong.",
    )  # fmt: skip
    check.add_argument("file", help="a card (YAML), or the name of one that ships with the suite")
    check.add_argument(
        "--model", help="robot description (name or file), of which the bodies are listed (default: a shipped card's own)"
    )
    check.add_argument("--graph", action="store_true", help="listen to the running graph")
    check.add_argument("--bag", type=Path, help="compare with a recorded bag")
    check.add_argument("--checkpoint", help="compare with a checkpoint (name or file), and the state with its statistics")
    check.add_argument(
        "--reference", type=Path,
        help="a bag of a good run, or a folder of demonstrations: what the cameras should show (colours, exchanged cameras)",
    )  # fmt: skip
    check.add_argument("--namespace", help="namespace of the robot, in the reference, too (default: the bag's own, or none)")
    check.add_argument("--seconds", type=float, help="how long to listen (default: 5), or of the bag (default: 60; inf: all)")
    check.add_argument("--json", type=Path, help="write the findings to this file")
    init = actions.add_parser("init", help="draft a card; what a person must fill in is marked and listed")
    source = init.add_mutually_exclusive_group(required=True)
    source.add_argument("--from-graph", action="store_true", help="cameras, joints, controllers and limits of the running graph")
    source.add_argument("--from-checkpoint", metavar="CHECKPOINT", help="what a checkpoint (name or file) was trained for")
    init.add_argument("--namespace", default="", help="namespace of the robot (default: none)")
    init.add_argument("--out", type=Path, help="file to write; without it the draft is printed")


def summary(card: InterfaceCard) -> str:
    """What a card says, in a few lines."""
    action = card.action
    return "\n".join([
        f"{card.name}: valid",
        f"  arms     {', '.join(f'{arm.name} ({len(arm.joints)} joints)' for arm in card.arms)}",
        f"  cameras  {', '.join(f'{c.name} {CameraView.of(c).words()} at {c.rate:g} Hz' for c in card.cameras)}",
        f"  action   {action.space}, {card.action_dim} columns, {action.horizon} steps of {action.step_period:g} s",
        f"  tasks    {', '.join(task.name for task in card.tasks)}",
        f"  policy_hash {card.policy_hash}",
        f"  card_hash   {card.card_hash}",
    ])


def run(args: argparse.Namespace) -> int:
    """Runs the action. Raises CardError where the card is not valid; see `check` for the exit code."""
    return check(args) if args.action == "check" else init(args)


def init(args: argparse.Namespace) -> int:
    """Writes a draft. Raises CardCommandError where the file exists, PreflightError where the source says too little."""
    from vla_replay.preflight.draft import as_yaml, todo_list

    if args.out is not None and args.out.exists():
        raise CardCommandError(f"{args.out} exists; a draft overwrites nothing: give another --out")
    if args.from_graph:
        from vla_replay.ros.draft_graph import draft_of_graph

        draft = draft_of_graph(namespace=args.namespace)
    else:
        from vla_replay.preflight.draft_checkpoint import draft_of_checkpoint

        if args.namespace:
            raise CardCommandError("--namespace needs --from-graph: a checkpoint has none")
        draft = draft_of_checkpoint(find_checkpoint(args.from_checkpoint))
    text = as_yaml(draft)
    parse_card(text, source="the draft")  # a draft that does not load would be of no use
    for line in draft.left_out:
        tell(f"left out: {line}", file=sys.stderr)
    if args.out is None:
        tell(text, end="")
        return 0
    write_text(args.out, text)
    tell(f"{args.out}: a draft; {len(todo_list(text))} fields are to be filled in, listed at its top")
    return 0


def check(args: argparse.Namespace) -> int:
    """0: nothing worse than a warning, 1: findings of severity ERROR. Raises the errors of what cannot be read."""
    from vla_replay.preflight.source import Source, examine

    # The `vla` command has resolved the name of a checkpoint already; other callers have not.
    checkpoint = None if args.checkpoint is None else find_checkpoint(args.checkpoint)
    source = Source(args.bag, args.graph, checkpoint, args.reference, args.namespace, args.seconds)
    path = find_card(args.file)
    card, model = load_card(path), find_model(args.model) if args.model else _shipped_model(path)
    tell(summary(card))
    _show_contact(card, model)
    if source.is_empty:
        if args.json is not None:
            raise CardCommandError("--json holds findings: it needs --graph, --bag or --checkpoint")
        return 0
    from vla_replay.preflight.console import as_text

    result = examine(card, source, _listen)
    tell(as_text(result))
    if args.json is not None:
        write_text(args.json, json.dumps(result.figures().to_json(), indent=2) + "\n")
    return FOUND_ERRORS if result.errors else 0


def _shipped_model(card: Path) -> Path | None:
    try:
        return model_of_card(card)
    except NotShippedError:  # the package of cards is not installed: then this is none of them
        return None


def _show_contact(card: InterfaceCard, model: Path | None) -> None:
    if model is None:
        tell("  contact     not looked at without the arm's description: give one with --model")
        return
    from vla_evidence.console import Console
    from vla_replay.preflight.self_contact import show

    show(card, model, Console())


def _listen(card: InterfaceCard, namespace: str, seconds: float):
    """What the running graph says in so many seconds [s]."""
    from tqdm import tqdm

    from vla_replay.ros.preflight_graph import sample_of_graph

    layout = "{desc}: {n:.1f} of {total:.1f} s"
    with tqdm(total=seconds, desc="listening", unit="s", bar_format=layout, file=sys.stderr, leave=False) as bar:
        return sample_of_graph(
            card, namespace=namespace, seconds=seconds, progress=lambda elapsed: bar.update(elapsed - bar.n)
        )
