"""`vla label`: an operator says how a run ended."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from vla_contract.arguments import text_up_to
from vla_evidence.labels.finding import Label
from vla_evidence.rows.outcomes import LONGEST

HELP = "say how a recorded run ended, and why it failed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="run folder with episodes.jsonl")
    parser.add_argument("run", nargs="?", help="number of the episode, or the run's id or the begin of it")
    parser.add_argument(
        "outcome", nargs="?", type=_outcome,
        help="success, failure or unknown, which is never scored; withdraw: what was said of this run counts no more",
    )  # fmt: skip
    parser.add_argument("--label", type=str.upper, help=f"why it failed: {', '.join(Label)}")
    parser.add_argument("--note", default="", type=text_up_to(LONGEST["note"]), help="in your words")
    parser.add_argument("--by", type=_name, help="who says so (default: the user's name on this machine)")
    parser.add_argument("--list", action="store_true", help="show the runs, their outcomes and what was said of them")


def _name(text: str) -> str:
    """Of somebody: a line of text with something in it."""
    text = text_up_to(LONGEST["by"])(text)
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; say who, or leave --by out for the user's name on this machine")
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"is {text!r}, a name is one line of printable characters")
    return text


_MEANT = {
    "SUCCEED": "SUCCESS", "SUCCEEDED": "SUCCESS", "SUCCESSFUL": "SUCCESS", "OK": "SUCCESS",
    "FAIL": "FAILURE", "FAILED": "FAILURE", "WITHDRAWN": "WITHDRAW",
}  # fmt: skip
"""Other forms of the words, as people type them."""
_WORDS = ("success", "failure", "unknown", "withdraw")


def _outcome(text: str) -> str:
    """As a line of the file has it."""
    meant = _MEANT.get(text.upper(), text.upper()).lower()
    if meant not in _WORDS:
        raise argparse.ArgumentTypeError(f"is {text!r}, allowed are {', '.join(_WORDS)}")
    return "WITHDRAWN" if meant == "withdraw" else meant.upper()


def run(args: argparse.Namespace) -> int:
    from vla_contract.command import this_command
    from vla_contract.printing import printable, tell
    from vla_evidence.rows.outcomes import (
        LABELS_FILE,
        WITHDRAWN,
        OperatorOutcome,
        OutcomeError,
        append_outcome,
        find_run,
        load_episodes,
        read_outcomes,
        withdrawable,
    )  # fmt: skip

    if args.run is not None and (args.folder / LABELS_FILE).is_symlink():
        raise OutcomeError(f"{args.folder / LABELS_FILE}: a symbolic link; nothing is written through it, remove it first")
    episodes = load_episodes(args.folder)
    if args.run is not None:
        if args.outcome is None:
            raise OutcomeError(f"run '{printable(args.run)}': an outcome is needed as well, allowed are {', '.join(_WORDS)}")
        episode = find_run(episodes, args.run)
        said = OperatorOutcome(
            episode.run_id, args.outcome, args.label or "", args.note, args.by or _user(), command=this_command()
        )
        why = withdrawable(read_outcomes(args.folder), episode.run_id)
        if said.outcome == WITHDRAWN and not (said.label or said.note) and why:
            raise OutcomeError(f"run '{printable(args.run)}': {why}; it is {episode.outcome} as recorded")
        append_outcome(args.folder, said)
        if said.outcome == WITHDRAWN:
            again = find_run(load_episodes(args.folder), episode.run_id)
            now = f"{again.outcome} again, as it was recorded"
        else:
            now = f"{said.outcome}, {said.label}" if said.label else said.outcome
        tell(f"episode {episode.episode} ({episode.run_id[:8]}): {now}; before {episode.outcome}")
    elif not args.list:
        raise OutcomeError(f"{args.folder}: name a run and its outcome, or ask for --list")
    if args.list:
        _show(args.folder)
    return 0


def _show(folder: Path) -> None:
    from vla_contract.printing import printable
    from vla_evidence.console import Console
    from vla_evidence.rows.outcomes import load_episodes, read_outcomes
    from vla_evidence.rows.scoring import score
    from vla_evidence.rows.show import episode_table

    episodes, said = load_episodes(folder), read_outcomes(folder)
    console = Console()
    console.print(episode_table(episodes))
    numbers = {e.run_id: e.episode for e in episodes}
    for one in said:
        words = " ".join(filter(None, (one.label, f"'{one.note}'" if one.note else "", f"by {one.by}" if one.by else "")))
        line = printable(f"episode {numbers.get(one.run_id, '?')} ({one.run_id[:8]}): {one.outcome} {words}".rstrip())
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(str(score(episodes)), markup=False, highlight=False)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
