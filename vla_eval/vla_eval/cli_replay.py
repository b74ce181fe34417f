"""`vla replay`: a bag through assembler, policies and controller, without a graph; or into the running graph."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

SEED, THREADS, RATE = 0, 2, 1.0
FIGURES_FILE, GRAPH_FILE = "replay.json", "replay_graph.json"
_OFFLINE_ONLY = (
    "gate", "fault", "checkpoint", "against", "no_policy", "no_controller", "model", "seed", "threads",
)  # fmt: skip
_GRAPH_ONLY = ("rate", "run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla replay`."""
    parser.add_argument("bag", type=Path, help="a rosbag2 folder, or a single .mcap")
    parser.add_argument("--namespace", help="of the robot, where several are in the bag (default: the bag's own)")
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
    # No default where one that is given has to be told from one that is not: see check_combination.
    parser.add_argument("--seed", type=int, help=f"of faults and sampling heads (default: {SEED})")
    parser.add_argument("--threads", type=int, help=f"of the CPU, for the model (default: {THREADS})")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--out", type=Path, metavar="RUN_FOLDER",
        help=f"write the figures to {FIGURES_FILE} in this folder, of --graph to {GRAPH_FILE}",
    )  # fmt: skip
    parser.add_argument("--graph", action="store_true", help="play sensors and /clock into the running graph instead")
    parser.add_argument("--rate", type=float, help=f"with --graph: speed of time (default: {RATE:g})")
    parser.add_argument("--run", action="store_true", help="with --graph: send each recorded instruction to vla/run_task")


def check_combination(args: argparse.Namespace) -> None:
    """Raises ReplayError for options that do not go together; it names each of them."""
    from vla_eval.replay.errors import ReplayError

    def given(names: tuple[str, ...]) -> str:
        values = {name: getattr(args, name) for name in names}
        return ", ".join(f"--{n.replace('_', '-')}" for n, v in values.items() if v is not None and v is not False and v != [])

    unfit = given(_OFFLINE_ONLY if args.graph else _GRAPH_ONLY)
    if unfit and args.graph:
        raise ReplayError(f"--graph does not combine with {unfit}: it plays sensors into the graph, and measures nothing")
    if unfit:
        raise ReplayError(f"without --graph there is no {unfit}: a replay without a graph has no speed, and sends no instruction")
    if args.graph and args.instruction is not None and not args.run:
        raise ReplayError("--graph with --instruction needs --run: without it no instruction is sent")
    if args.no_policy and (args.checkpoint or args.against):
        raise ReplayError("--no-policy leaves policies out; --checkpoint and --against ask for them")


def run(args: argparse.Namespace) -> int:
    """0; 1 where a gate does not hold. Raises ReplayError, BagError, CheckpointError, CardError."""
    from vla_eval.bags.reader import Bag
    from vla_eval.replay.cell import find_card
    from vla_eval.replay.errors import ReplayError
    from vla_eval.replay.faults import parse_faults
    from vla_eval.replay.gate import parse_gates

    check_combination(args)
    args.seed = SEED if args.seed is None else args.seed
    args.threads = THREADS if args.threads is None else args.threads
    args.rate = RATE if args.rate is None else args.rate
    if args.seed < 0:
        raise ReplayError(f"seed is {args.seed}, allowed are 0 and above")
    gates = parse_gates(args.gate)
    with Bag(args.bag, args.namespace) as bag:
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
    figures["faults_asked"], figures["namespace"] = list(args.fault), args.namespace
    figures["card_asked"] = _card_asked(args)
    figures["model"], figures["remarks"], figures["seed"], figures["threads"] = source, remarks, args.seed, args.threads
    return figures


def _card_asked(args: argparse.Namespace) -> str | None:
    return None if args.card is None else str(args.card)


def _finish(args: argparse.Namespace, figures: dict, gates: dict[str, float]) -> int:
    from rich.console import Console

    from vla_eval.replay.gate import exceeded
    from vla_eval.replay.table import show

    console = Console()
    show(figures, console)
    for remark in figures["remarks"]:
        console.print(remark, style="yellow", markup=False)
    lines = exceeded(figures["scores"], gates)
    figures["gates"], figures["exceeded"] = gates, lines
    _write(args, FIGURES_FILE, figures)
    if lines:
        print(f"vla replay: {'; '.join(lines)}", file=sys.stderr)
    return 1 if lines else 0


def _play(args: argparse.Namespace, bag, card) -> int:
    from vla_eval.replay.graph import GraphPlayer

    with GraphPlayer(bag, card, rate=args.rate, run=args.run, instruction=args.instruction) as player:
        told = player.play()
    print(json.dumps(told, indent=2))
    asked = {
        "bag": str(args.bag), "card": _card_asked(args), "card_hash": card.card_hash, "namespace": args.namespace,
        "rate": args.rate, "run": args.run, "instruction": args.instruction,
    }  # fmt: skip
    _write(args, GRAPH_FILE, {"asked": asked, "graph": told})
    return 0


def _write(args: argparse.Namespace, name: str, content: dict) -> None:
    """To --json, and under this name to the folder of --out."""
    from vla_contract.evidence import json_ready

    for path in (args.json, args.out / name if args.out else None):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(json_ready(content), indent=2, allow_nan=False) + "\n")
