"""`vla demos`: write demonstrations."""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
from pathlib import Path

from vla_contract.printing import tell
from vla_sim.tasks import TASK_NAMES
from vla_trials.lockstep.options import add_stitching, tell_stitching

HELP = "write demonstrations of the scripted expert"


class DemosError(ValueError):
    """A number that `vla demos` cannot work with. The message names the option and what is allowed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument("--task", default="pick", choices=TASK_NAMES, help="task (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=100, help="number of episodes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first episode (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder (default: out/demos/TASK)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core, %(default)s)")
    parser.add_argument(
        "--disturbance", type=float, default=1.0, help="scale of the pushes, 0 for none (default: %(default)s)"
    )
    parser.add_argument(
        "--checkpoint", help="let this policy (a checkpoint, or NAME:REST of an entry point) drive while the expert labels"
    )
    parser.add_argument("--expert-share", type=float, default=0.3, help="with --checkpoint: share driven by the expert")
    add_stitching(parser)
    parser.add_argument("--json", type=Path, help="write the counts to this file too")


def run(args: argparse.Namespace) -> int:
    """Returns 0. Raises DemosError, and the errors of what cannot be read."""
    # Below 0 the pushes would turn round; a share is one of the whole.
    for name, least, most in (
        ("episodes", 1, None), ("jobs", 1, None), ("seed", 0, None), ("disturbance", 0.0, None), ("expert_share", 0.0, 1.0),
    ):  # fmt: skip
        value = getattr(args, name)
        if not least <= value <= (math.inf if most is None else most):
            allowed = f"{least:g} or more" if most is None else f"{least:g} to {most:g}"
            raise DemosError(f"--{name.replace('_', '-')} is {value}, allowed is {allowed}")
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
