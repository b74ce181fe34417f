"""`vla replay`: a bag through assembler, policies and controller, without a graph; or into the running graph."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla replay`."""
    parser.add_argument("bag", type=Path, help="a rosbag2 folder, or a single .mcap")
    parser.add_argument("--card", help="card name or file (default: the one in the bag)")
    parser.add_argument("--checkpoint", help="checkpoint name or file (default: the bag's own, where it is found)")
    parser.add_argument("--against", metavar="CHECKPOINT", help="a second policy, side by side with the first")
    parser.add_argument("--no-policy", action="store_true", help="observations and recorded chunks alone, no inference")
    parser.add_argument("--no-controller", action="store_true", help="leave the controller out")
    parser.add_argument("--model", type=Path, help="robot description (default: the bag's own)")
    parser.add_argument("--instruction", help="for runs whose instruction is not in the bag")
    parser.add_argument(
        "--fault", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="latency=200ms drop=0.1 reorder=0.1 skew=front:50ms frozen=front swapped=front:wrist",
    )  # fmt: skip
    parser.add_argument(
        "--gate", nargs="+", action="extend", default=[], metavar="NAME=BOUND",
        help="exit code 1 where a figure is above its bound: jump=0.05 violations=0",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of faults and sampling heads (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU, for the model (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--out", type=Path, metavar="RUN_FOLDER", help="write the figures to replay.json in this folder")
    parser.add_argument("--graph", action="store_true", help="play sensors and /clock into the running graph instead")
    parser.add_argument("--rate", type=float, default=1.0, help="with --graph: speed of time (default: %(default)s)")
    parser.add_argument("--run", action="store_true", help="with --graph: send each recorded instruction to vla/run_task")


def run(args: argparse.Namespace) -> int:
    """0; 1 where a gate does not hold. Raises ReplayError, BagError, CheckpointError, CardError."""
    from vla_eval.bags.reader import Bag
    from vla_eval.replay.cell import find_card
    from vla_eval.replay.errors import ReplayError
    from vla_eval.replay.faults import parse_faults
    from vla_eval.replay.gate import parse_gates

    if args.no_policy and (args.checkpoint or args.against):
        raise ReplayError("--no-policy leaves policies out; --checkpoint and --against ask for them")
    if args.seed < 0:
        raise ReplayError(f"seed is {args.seed}, allowed are 0 and above")
    gates = parse_gates(args.gate)
    with Bag(args.bag) as bag:
        card = find_card(bag, args.card)
        faults = parse_faults(args.fault, card)
        if args.graph:
            return _play(args, bag, card)
        figures = _replay(args, bag, card, faults)
    return _finish(args, figures, gates)


def _replay(args: argparse.Namespace, bag, card, faults) -> dict:
    from tqdm import tqdm

    from vla_eval.replay.cell import find_models, load_policies, recorded_checkpoint
    from vla_eval.replay.replay import Replay

    checkpoints, remarks = {}, []
    if not args.no_policy:
        first, why = (Path(args.checkpoint), "") if args.checkpoint else recorded_checkpoint(bag)
        if first is None:
            remarks.append(f"no policy is replayed: {why}; give one with --checkpoint")
        else:
            checkpoints["policy"] = first
        if args.against:
            checkpoints["other"] = Path(args.against)
    models, source = ([], "left out") if args.no_controller else find_models(bag, card, args.model)
    if not models and not args.no_controller:
        remarks.append(f"no controller is run: {source}")
    policies = load_policies(card, checkpoints, seed=args.seed, threads=args.threads)
    seconds = max((bag.end_ns - bag.start_ns) * 1e-9, 1e-3)
    with tqdm(total=round(seconds, 1), unit="s", desc="replay", disable=not sys.stderr.isatty(), leave=False) as bar:
        begin: list[int] = []

        def progress(now_ns: int) -> None:
            begin[:] = begin or [now_ns]
            done = min((now_ns - begin[0]) * 1e-9, seconds)
            if done - bar.n >= 1.0:
                bar.update(done - bar.n)

        figures = Replay(
            bag, card, policies, models, faults=faults, seed=args.seed, instruction=args.instruction, progress=progress
        ).run()
    figures["faults_asked"] = list(args.fault)
    figures["model"], figures["remarks"], figures["seed"], figures["threads"] = source, remarks, args.seed, args.threads
    return figures


def _finish(args: argparse.Namespace, figures: dict, gates: dict[str, float]) -> int:
    from rich.console import Console

    from vla_contract.evidence import json_ready
    from vla_eval.replay.gate import exceeded
    from vla_eval.replay.table import show

    console = Console()
    show(figures, console)
    for remark in figures["remarks"]:
        console.print(remark, style="yellow", markup=False)
    lines = exceeded(figures["scores"], gates)
    figures["gates"], figures["exceeded"] = gates, lines
    for path in (args.json, args.out / "replay.json" if args.out else None):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(json_ready(figures), indent=2, allow_nan=False) + "\n")
    if lines:
        print(f"vla replay: {'; '.join(lines)}", file=sys.stderr)
    return 1 if lines else 0


def _play(args: argparse.Namespace, bag, card) -> int:
    from vla_eval.replay.graph import GraphPlayer

    with GraphPlayer(bag, card, rate=args.rate, run=args.run, instruction=args.instruction) as player:
        told = player.play()
    print(json.dumps(told, indent=2))
    for path in (args.json, args.out / "replay.json" if args.out else None):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"graph": told}, indent=2) + "\n")
    return 0
