"""`vla evidence`: a bag's episodes and inferences as rows."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from vla_contract.arguments import number

FIGURES_FILE = "evidence.json"
"""Beside the rows: score, notes, and the command that made them."""
HELP = "episodes and inferences of a bag as rows, with outcomes and failure labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="bag: a rosbag2 folder or a .mcap file")
    parser.add_argument(
        "--out", type=Path, help="run folder for the rows as .jsonl and .parquet, and for the score (default: nothing is written)"
    )
    parser.add_argument("--card", help="card name or file (default: the one in the bag)")
    parser.add_argument("--namespace", help="of the robot, where several are in the bag")
    parser.add_argument(
        "--time-limit", type=number(0, above=True, unit="s"), help="of each run [s] (default: the card's for its task)"
    )
    parser.add_argument(
        "--reference", type=Path, help="bag with the cameras where they belong, for the label VIEWPOINT on runs without truth"
    )
    parser.add_argument("--json", type=Path, help="write the score and the episodes to this file")


def run(args: argparse.Namespace) -> int:
    from vla_bags.reader import Bag
    from vla_contract.card import load_card
    from vla_contract.command import command_json
    from vla_contract.printing import printable
    from vla_evidence.console import Console
    from vla_evidence.rows.from_bag import BagRows, reference_views
    from vla_evidence.rows.outcomes import apply_outcomes, read_outcomes
    from vla_evidence.rows.scoring import score
    from vla_evidence.rows.show import episode_table

    console = Console()
    card = load_card(args.card) if args.card else None
    references, of_reference = None, []
    if args.reference:
        with console.status("reading the reference"), Bag(args.reference, args.namespace) as bag:
            references, of_reference = reference_views(bag, card), [f"the reference: {note}" for note in bag.notes]
    with Bag(args.bag, args.namespace) as bag, console.status("reading the bag"):
        rows = BagRows(bag, card=card)
        episodes, inferences = rows.make(time_limit_s=args.time_limit, references=references)
        truncated = bag.truncated
    rows.notes += of_reference
    if args.out:
        _write_rows(args.out, episodes, inferences)
        episodes = apply_outcomes(episodes, read_outcomes(args.out))
    console.print(episode_table(episodes, "Episodes of a recording that was cut short" if truncated else ""))
    for name, view in (references or {}).items():
        if not view.steady:
            rows.notes.append(f"camera {name} sees something else in each reference run ({view.spread:.0%}): not judged")
    for note in [*(["the recorder did not end this bag"] if truncated else []), *rows.notes]:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)
    result = score(episodes)
    console.print(str(result), markup=False, highlight=False)
    if args.out:
        written = f"{len(episodes)} episodes and {len(inferences)} inferences written to {args.out}"
        console.print(written, markup=False, highlight=False)
    content = {
        "bag": str(args.bag), "score": result.as_dict(), "inferences": len(inferences), "truncated": truncated,
        "notes": rows.notes, "command": command_json(),
    }  # fmt: skip
    if args.out:
        _write_json(args.out / FIGURES_FILE, content)
    if args.json:
        _write_json(args.json, {**content, "episodes": [e.as_row() for e in episodes]})
    return 0


def _write_json(path: Path, content: dict) -> None:
    from vla_contract.files import write_text
    from vla_evidence.figures import EvidenceFigures

    figures = EvidenceFigures.from_json(content, str(path))
    write_text(path, json.dumps(figures.to_json(), indent=2, allow_nan=False) + "\n")


def _write_rows(folder: Path, episodes: list, inferences: list) -> None:
    from vla_evidence.rows.parquet import write_parquet
    from vla_evidence.rows.row_files import write_rows
    from vla_evidence.rows.rows import EpisodeRow, InferenceRow

    for name, kind, rows in (("episodes", EpisodeRow, episodes), ("inferences", InferenceRow, inferences)):
        write_rows(folder / f"{name}.jsonl", rows)
        write_parquet(folder / f"{name}.parquet", kind, rows)
