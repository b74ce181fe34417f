"""`vla bench`: measure the suite and write the figures with the machine's name."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from vla_contract.arguments import whole

HELP = "latency and speed of graph, policy and simulator"

SUITE = ("policy", "sim", "lockstep", "graph", "idle")
CONTROLLER = ("fuzz", "self_collision", "cost", "seam", "clean", "faults")
EVIDENCE = ("ledger", "kills", "preflight", "replay", "packing", "trials")
GROUPS = {"controller": CONTROLLER, "evidence": EVIDENCE}
PARTS = (*SUITE, "controller", *CONTROLLER, "evidence", *EVIDENCE)


class BenchError(ValueError):
    """A file of results that cannot be gone on with. The message names it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument(
        "--checkpoint", default="panda_tabletop",
        help="checkpoint name or file, or NAME:REST of an entry point (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("out/bench"),
        help="folder for results (default: %(default)s); the part replay needs 5.5 GB there for as long as it runs",
    )  # fmt: skip
    parser.add_argument(
        "--docs", type=Path, default=Path("docs/figures"),
        help="folder for the controller's tables and image, where it exists; else --out (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--trials", type=whole(1), default=12, help="trials through the graph (default: %(default)s)")
    parser.add_argument(
        "--postures", type=whole(1), default=100_000,
        help="random postures of each shipped arm, for the part self_collision (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--long", action="store_true", help="five times the samples; the fuzz with a million chunks")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=(*SUITE, *GROUPS), metavar="PART",
        help=f"measure these parts only: {', '.join(PARTS)}; controller and evidence stand for those that follow them",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from vla_bench import bench, controller_bench, evidence_bench
    from vla_bench.machine import describe_machine
    from vla_contract.command import command_json
    from vla_evidence.console import Console
    from vla_graph.domains import domains

    console = Console()
    domains()  # a wrong VLA_DOMAINS is told now, not after the parts before the first graph
    factor = 5 if args.long else 1
    args.out.mkdir(parents=True, exist_ok=True)
    docs = args.docs if args.docs.is_dir() else args.out
    path = args.out / "results.json"
    written = read_results(path)
    machine = describe_machine()
    measure: dict[str, Callable[[], dict]] = {
        "policy": lambda: bench.bench_policy(args.card, args.checkpoint, 200 * factor),
        "sim": lambda: bench.bench_sim(args.card, 3.0 * factor),
        "lockstep": lambda: bench.bench_lockstep(args.card, args.checkpoint, 6 * factor),
        "graph": lambda: bench.bench_graph(args.card, args.checkpoint, args.out, args.trials * factor),
        "idle": lambda: bench.bench_idle(args.card, 10.0 * factor),
    }
    # Figures of parts that are not measured now stay, but only where the same machine took them.
    kept = written.get("machine", {})
    same = all(kept.get(key) == machine[key] for key in ("processor", "cores", "memory_gib"))
    results = written.get("results", {}) if same else {}
    commands = written.get("commands", {}) if same else {}
    parts = expand(args.only)
    if "replay" in parts:  # told now, not after the hours that the parts before it may take
        evidence_bench.check_replay_space(args.card, args.out)
    for part in parts:
        console.print(f"measuring {part} ...")
        if part in CONTROLLER:
            figures = controller_bench.measure_part(
                part, args.card, args.checkpoint, args.out, docs, console, long=args.long, postures=args.postures
            )
            results.setdefault("controller", {}).update(figures)
        elif part in EVIDENCE:
            figures = evidence_bench.measure_part(
                part, str(args.card), str(args.checkpoint), args.out, console, factor=factor
            )
            for key, values in figures.items():
                results.setdefault(key, {}).update(values)
        else:
            figures = results[part] = measure[part]()
        commands[part] = command_json()
        write_results(path, {"machine": machine, "results": results, "command": command_json(), "commands": commands})
        console.print_json(json.dumps(headline(figures)))
    console.print(f"figures are in {path}")
    return 0


def read_results(path: Path) -> dict:
    """Figures of machine and parts, by "machine" and "results"; empty where there is no file yet.

    Raises:
        BenchError: The file is not one of `vla bench`, or damaged.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise BenchError(f"{path}: not JSON ({error}); move it away, and the parts are measured anew") from None
    for key in ("machine", "results"):
        if not isinstance(written, dict) or not isinstance(written.get(key), dict):
            raise BenchError(f"{path}: not written by `vla bench`: no object '{key}' in it; move it away")
    wrong = [key for key, values in written["results"].items() if not isinstance(values, dict)]
    if wrong:
        raise BenchError(f"{path}: results.{wrong[0]} is no object of figures; move the file away")
    return written


def write_results(path: Path, content: dict) -> None:
    """Replaces the file as a whole: it is never half written."""
    draft = path.with_name(f".{path.name}.partial")
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)


def expand(parts: tuple[str, ...] | list[str]) -> list[str]:
    """The parts in order, groups replaced by their own, each once."""
    expanded = [name for part in parts for name in GROUPS.get(part, (part,))]
    return list(dict.fromkeys(expanded))


def headline(figures: dict) -> dict:
    """The figures without lists, which are long."""
    return {
        key: headline(value) if isinstance(value, dict) else value
        for key, value in figures.items()
        if not isinstance(value, list)
    }
