"""`vla demo`: the learned policy picks up blocks, through the graph as separate processes."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from vla_contract.arguments import whole
from vla_contract.node_settings import SEEDS

HELP = "trials through the running ROS 2 graph, with images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument(
        "--checkpoint", default="panda_tabletop",
        help="checkpoint name or file, or NAME:REST of an entry point (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--task", default="pick", help="task (default: %(default)s)")
    parser.add_argument("--trials", type=whole(1), default=10, help="number of trials (default: %(default)s)")
    parser.add_argument("--seed", type=whole(*SEEDS), default=1000, help="seed of the first trial (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for results (default: %(default)s)")
    parser.add_argument("--no-film", action="store_true", help="write the summary only")


def run(args: argparse.Namespace) -> int:
    from vla_contract.card import load_card
    from vla_contract.command import command_json
    from vla_contract.files import fresh, write_text
    from vla_evidence.console import Console
    from vla_graph.domains import free_domain
    from vla_graph.process import GraphProcess
    from vla_trials.graph.film import write_contact_sheet, write_film, write_portrait
    from vla_trials.graph.trials import run_trials
    from vla_trials.trials.errors import TrialsError

    console = Console()
    card = load_card(args.card)
    limits = {task.name: task.time_limit for task in card.tasks}
    if args.task not in limits:
        raise TrialsError(f"no task '{args.task}' in card '{card.name}'; it has: {', '.join(limits)}")
    started = time.monotonic()
    seeds = range(args.seed, args.seed + args.trials)
    arguments = {"card": args.card, "checkpoint": args.checkpoint, "task": args.task, "seed": args.seed}
    domain = free_domain()
    console.print(f"Starting sim, policy and controller; their output goes to {args.out / 'graph.log'}")
    with GraphProcess(arguments, args.out / "graph.log", domain) as graph:
        rows, takes, _ = run_trials(graph, card, args.task, seeds, limits[args.task], console)
        code = graph.stop()
    successes = sum(row["success"] for row in rows)
    summary = {
        "task": args.task,
        "trials": len(rows),
        "successes": successes,
        "graph_exit_code": code,
        "seconds": round(time.monotonic() - started, 1),
        "rows": rows,
    }
    write_text(args.out / "summary.json", json.dumps({**summary, "command": command_json()}, indent=2) + "\n")
    console.print(f"[bold]{successes} of {len(rows)}[/bold] trials done")
    if not args.no_film:
        made = {"demo.mp4": (write_film, takes)}
        if any(take.states for take in takes):
            made |= {"frames.png": (write_contact_sheet, takes)}
        if takes[-1].states:
            made |= {"portrait.png": (write_portrait, takes[-1])}
        for name, (write, what) in made.items():
            with fresh(args.out / name) as draft:
                write(what, draft)
        console.print(
            f"Look at {args.out / 'demo.mp4'} and {args.out / 'frames.png'}; figures are in {args.out / 'summary.json'}"
        )
    return 0 if code == 0 else 1
