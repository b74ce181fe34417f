"""`vla bench`: measure the suite and write the figures with the machine's name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

PARTS = ("policy", "sim", "lockstep", "graph")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument("--checkpoint", default="panda_tabletop", help="checkpoint name or file (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder for results (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=12, help="trials through the graph (default: %(default)s)")
    parser.add_argument("--long", action="store_true", help="five times the samples")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these parts only")


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from vla_eval import bench
    from vla_eval.machine import describe_machine

    console = Console()
    factor = 5 if args.long else 1
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    written = json.loads(path.read_text()) if path.exists() else {}
    machine = describe_machine()
    measure: dict[str, Callable[[], dict]] = {
        "policy": lambda: bench.bench_policy(args.card, args.checkpoint, 200 * factor),
        "sim": lambda: bench.bench_sim(args.card, 3.0 * factor),
        "lockstep": lambda: bench.bench_lockstep(args.card, args.checkpoint, 6 * factor),
        "graph": lambda: bench.bench_graph(args.card, args.checkpoint, args.out, args.trials * factor),
    }
    # Figures of parts that are not measured now stay, but only where the same machine took them.
    kept = written.get("machine", {})
    same = all(kept.get(key) == machine[key] for key in ("processor", "cores", "memory_gib"))
    results = written.get("results", {}) if same else {}
    for part in args.only:
        console.print(f"measuring {part} ...")
        results[part] = measure[part]()
        path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
        console.print_json(json.dumps(results[part]))
    console.print(f"figures are in {path}")
    return 0
