"""`vla agree`: whether two setups tell the same about several policies."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "whether two setups of `vla eval` tell the same about several policies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="summaries of `vla eval` (--json FILE, or an --out folder, where an operator's outcomes count): each policy once "
        "in each of two setups",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")


def run(args: argparse.Namespace) -> int:
    from vla_contract.files import write_text
    from vla_contract.printing import tell
    from vla_trials.trials.agreement import agreement, read_scored

    figures = agreement([read_scored(path) for path in args.results])
    first, second = figures["setups"]
    for row in figures["policies"]:
        tell(
            f"{row['title']}: {row['rates'][0]:.0%} of {row['trials'][0]} in '{first}', "
            f"{row['rates'][1]:.0%} of {row['trials'][1]} in '{second}'"
        )
        for setup, count in zip(figures["setups"], row["labelled"]):
            if count:
                tell(f"  outcomes of {count} trial{'s' if count > 1 else ''} in '{setup}' are an operator's")
    r = figures["pearson_r"]
    tell(
        f"Pearson r {'undefined (one setup gives all the same rate)' if r is None else format(r, '.3f')}, "
        f"mean maximum rank violation {figures['mmrv']:.3f} over {len(figures['policies'])} policies"
    )
    if figures["left_out"]:
        tell(f"left out, in one setup only: {', '.join(figures['left_out'])}")
    for note in figures["notes"]:
        tell(f"note: {note}")
    if args.json:
        from vla_contract.command import command_json

        write_text(args.json, json.dumps({**figures, "command": command_json()}, indent=2) + "\n")
    return 0
