"""`vla label`: an operator says how a run ended."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path

from vla_eval.evidence.finding import Label


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="run folder with episodes.jsonl")
    parser.add_argument("run", nargs="?", help="number of the episode, or the run's id or the begin of it")
    parser.add_argument("outcome", nargs="?", type=str.upper, help="success, failure or unknown; unknown is never scored")
    parser.add_argument("--label", type=str.upper, help=f"why it failed: {', '.join(Label)}")
    parser.add_argument("--note", default="", help="in your words")
    parser.add_argument("--by", help="who says so (default: the user's name on this machine)")
    parser.add_argument("--list", action="store_true", help="show the runs, their outcomes and what was said of them")


def run(args: argparse.Namespace) -> int:
    from vla_eval.evidence.outcomes import OperatorOutcome, OutcomeError, append_outcome, find_run, load_episodes

    episodes = load_episodes(args.folder)
    if args.run is not None:
        if args.outcome is None:
            raise OutcomeError(f"run '{args.run}': an outcome is needed as well: success, failure or unknown")
        episode = find_run(episodes, args.run)
        said = OperatorOutcome(episode.run_id, args.outcome, args.label or "", args.note, args.by or _user())
        append_outcome(args.folder, said)
        label = f", {said.label}" if said.label else ""
        print(f"episode {episode.episode} ({episode.run_id[:8]}): {said.outcome}{label}, before {episode.outcome}")
    elif not args.list:
        raise OutcomeError(f"{args.folder}: name a run and its outcome, or ask for --list")
    if args.list:
        _show(args.folder)
    return 0


def _show(folder: Path) -> None:
    from rich.console import Console

    from vla_eval.evidence.outcomes import load_episodes, read_outcomes
    from vla_eval.evidence.scoring import score
    from vla_eval.evidence.show import episode_table

    episodes, said = load_episodes(folder), read_outcomes(folder)
    console = Console()
    console.print(episode_table(episodes))
    numbers = {e.run_id: e.episode for e in episodes}
    for one in said:
        words = " ".join(filter(None, (one.label, f"'{one.note}'" if one.note else "", f"by {one.by}" if one.by else "")))
        console.print(f"episode {numbers.get(one.run_id, '?')} ({one.run_id[:8]}): {one.outcome} {words}", markup=False)
    console.print(str(score(episodes)), markup=False, highlight=False)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
