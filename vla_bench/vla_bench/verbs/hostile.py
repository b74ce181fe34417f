"""`vla hostile`: files and texts of strangers, against the verbs that read them."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from vla_contract.arguments import whole

HELP = "hundreds of hostile files and texts for the verbs that read files: no traceback, nothing written outside, bounded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases whose names hold one of these, as 'bag:'")
    parser.add_argument("--representative", action="store_true", help="only those that the tests run")
    parser.add_argument("--list", action="store_true", help="name them, and run none")
    parser.add_argument("--jobs", type=whole(1), default=2, help="cases side by side (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show what each verb said")
    parser.add_argument("--json", type=Path, help="write the outcomes to this file")


def run(args: argparse.Namespace) -> int:
    """0 where all are as they must be, else 1."""
    from vla_bench.hostile.corpus import chosen
    from vla_bench.hostile.runner import run_cases, warm_up
    from vla_contract.command import command_json
    from vla_contract.files import write_text
    from vla_contract.printing import tell

    cases = chosen(args.words, representative=args.representative)
    if args.list:
        tell("\n".join(f"{case.name}: vla {' '.join(case.argv)}" for case in cases))
        return 0
    warm_up()

    def told(outcome) -> None:
        for fault in outcome.faults:
            tell(f"{outcome.name}: {fault}", flush=True)
        if outcome.faults or args.verbose:
            tell(f"    [{outcome.code}, {outcome.seconds} s, {outcome.mb} MB] {outcome.words.strip()[-600:]}", flush=True)

    outcomes = run_cases(cases, jobs=args.jobs, told=told)
    wrong = [outcome for outcome in outcomes if outcome.faults]
    most, longest = (max((getattr(o, name) for o in outcomes), default=0.0) for name in ("mb", "seconds"))
    tell(f"{len(outcomes)} hostile files and texts, {len(wrong)} with faults; at most {most:.0f} MB and {longest:.1f} s")
    if args.json:
        content = {"outcomes": [asdict(outcome) for outcome in outcomes], "command": command_json()}
        write_text(args.json, json.dumps(content, indent=2) + "\n")
    return 1 if wrong else 0
