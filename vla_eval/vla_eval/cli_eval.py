"""`vla eval`: closed-loop trials in lockstep."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from vla_sim.tasks import TASK_NAMES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument(
        "--checkpoint", default="panda_tabletop", help="checkpoint name or file, or 'expert' (default: %(default)s)"
    )
    parser.add_argument("--task", default="pick", choices=TASK_NAMES, help="task (default: %(default)s)")
    parser.add_argument("--trials", type=_positive, default=100, help="number of trials (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=50000, help="seed of the first trial (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=_positive, default=os.cpu_count(), help="processes (default: one a core, %(default)s)"
    )
    parser.add_argument(
        "--replan-steps", type=_positive, default=4, help="steps between two decisions (default: %(default)s)"
    )
    parser.add_argument(
        "--latency", type=float, help="constant latency from camera stamp to chunk [s], instead of drawn ones"
    )
    parser.add_argument(
        "--rule",
        choices=("legacy", "splice"),
        help="replacement rule of the trajectory controller (default: the card's)",
    )
    parser.add_argument("--json", type=Path, help="write figures and a row for each trial to this file")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value}, allowed are 1 and above")
    return value


def run(args: argparse.Namespace) -> int:
    from vla_eval.evaluation import EvalRequest, evaluate
    from vla_eval.latency import LatencyModel

    latency = LatencyModel() if args.latency is None else LatencyModel(args.latency, 0.0, 0.0)
    figures = evaluate(
        EvalRequest(
            card_path=str(args.card),
            checkpoint=str(args.checkpoint),
            task=args.task,
            seeds=tuple(range(args.seed, args.seed + args.trials)),
            replan_steps=args.replan_steps,
            latency=latency,
            rule=args.rule,
        ),
        jobs=min(args.jobs, args.trials),
    )
    low, high = figures["interval"]
    print(
        f"{args.task}: {figures['successes']}/{figures['trials']} = {figures['rate']:.0%} (95 % {low:.0%} to {high:.0%}), "
        f"{figures['clamped_share']:.1%} of steps clamped, {figures['realtime_factor']:.1f} times real time"
    )
    failed = [row["seed"] for row in figures["rows"] if not row["success"]]
    if failed:
        print(f"failed seeds: {' '.join(map(str, failed))}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0
