"""`vla demos`: write demonstrations."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from vla_contract.arguments import number, whole
from vla_contract.printing import tell
from vla_sim.tasks import TASK_NAMES
from vla_trials.lockstep.options import add_stitching, tell_stitching

HELP = "write demonstrations of the scripted expert"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument("--task", default="pick", choices=TASK_NAMES, help="task (default: %(default)s)")
    parser.add_argument("--episodes", type=whole(1), default=100, help="number of episodes (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, help="seed of the first episode (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder (default: out/demos/TASK)")
    parser.add_argument("--jobs", type=whole(1), default=os.cpu_count(), help="processes (default: one a core, %(default)s)")
    parser.add_argument(
        "--disturbance", type=number(0), default=1.0,  # below 0 the pushes would turn round
        help="scale of the pushes, 0 for none (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", help="let this policy (a checkpoint, or NAME:REST of an entry point) drive while the expert labels"
    )
    parser.add_argument("--expert-share", type=number(0, 1), default=0.3, help="with --checkpoint: share driven by the expert")
    add_stitching(parser)
    parser.add_argument("--json", type=Path, help="write the counts to this file too")


def run(args: argparse.Namespace) -> int:
    """Returns 0. Raises the errors of what cannot be read."""
    from vla_trials.demonstrations.record import DemosRequest, record_all

    request = DemosRequest(
        card_path=str(args.card),
        task=args.task,
        seeds=tuple(range(args.seed, args.seed + args.episodes)),
        out=args.out or Path("out/demos") / args.task,
        strength=args.disturbance,
        checkpoint=args.checkpoint,
        expert_share=args.expert_share,
        strategy=args.strategy,
        committed_steps=args.committed_steps,
    )
    tell_stitching(args)
    counts = record_all(request, jobs=args.jobs, command=shlex.join(["vla", *sys.argv[1:]]))
    tell(
        f"{request.out}: {counts['recorded']} episodes recorded, {counts['already_there']} were there, "
        f"{counts['successes']}/{counts['recorded']} successful"
    )
    if args.json:
        from vla_contract.command import command_json
        from vla_contract.files import write_text

        write_text(args.json, json.dumps({**counts, "command": command_json()}, indent=2) + "\n")
    return 0
