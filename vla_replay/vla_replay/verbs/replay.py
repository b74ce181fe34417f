"""`vla replay`: a bag through assembler, policies and controller, without a graph; or into the running graph."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vla_contract.arguments import instruction, number, whole
from vla_contract.printing import printable, tell

HELP = "replay a bag: open-loop errors of policies, faults, gates; or into the graph"

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
    parser.add_argument(
        "--checkpoint",
        help="checkpoint name or file, or NAME:REST of an entry point (default: the bag's own, where it is found)",
    )
    parser.add_argument("--against", metavar="CHECKPOINT", help="a second policy, side by side with the first")
    parser.add_argument("--no-policy", action="store_true", help="observations and recorded chunks alone, no inference")
    parser.add_argument("--no-controller", action="store_true", help="leave the controller out")
    parser.add_argument("--model", type=Path, help="robot description (default: the bag's own)")
    parser.add_argument("--instruction", type=instruction, help="for runs whose instruction is not in the bag")
    parser.add_argument(
        "--fault", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="latency=200ms drop=0.1 reorder=0.1 skew=front:50ms frozen=front swapped=front:wrist",
    )  # fmt: skip
    parser.add_argument(
        "--gate", nargs="+", action="extend", default=[], metavar="NAME=BOUND",
        help="exit code 1 where a figure is above its bound: jump=0.05 violations=0",
    )  # fmt: skip
    # No default where one that is given has to be told from one that is not: see check_combination.
    parser.add_argument("--seed", type=whole(0), help=f"of faults and sampling heads (default: {SEED})")
    parser.add_argument("--threads", type=whole(1), help=f"of the CPU, for the model (default: {THREADS})")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--out", type=Path, metavar="RUN_FOLDER",
        help=f"write the figures to {FIGURES_FILE} in this folder, of --graph to {GRAPH_FILE}",
    )  # fmt: skip
    parser.add_argument("--graph", action="store_true", help="play sensors and /clock into the running graph instead")
    parser.add_argument("--rate", type=number(0.01, 100), help=f"with --graph: speed of time (default: {RATE:g})")
    parser.add_argument("--run", action="store_true", help="with --graph: send each recorded instruction to vla/run_task")


def check_combination(args: argparse.Namespace) -> None:
    """Raises ReplayError for options that do not go together; it names each of them."""
    from vla_replay.offline.errors import ReplayError

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
    from vla_bags.reader import Bag
    from vla_replay.offline.faults import parse_faults
    from vla_replay.offline.gate import parse_gates
    from vla_replay.offline.inputs import find_card

    check_combination(args)
    args.seed = SEED if args.seed is None else args.seed
    args.threads = THREADS if args.threads is None else args.threads
    args.rate = RATE if args.rate is None else args.rate
    gates = parse_gates(args.gate)
    with Bag(args.bag, args.namespace) as bag:
        card = find_card(bag, args.card)
        faults = parse_faults(args.fault, card)
        if args.graph:
            return _play(args, bag, card)
        figures = _replay(args, bag, card, faults)
    return _finish(args, figures, gates)


def _replay(args: argparse.Namespace, bag, card, faults):
    """ReplayFigures, without gates."""
    from dataclasses import fields

    from tqdm import tqdm

    from vla_contract.command import this_command
    from vla_evidence.figures.replay import ReplayFigures
    from vla_replay.offline.inputs import find_models, load_policies, packed_words, recorded_checkpoint
    from vla_replay.offline.replay import Replay

    checkpoints, remarks = {}, [f"the bag: {note}" for note in bag.notes]
    if not args.no_policy:
        first, why = (args.checkpoint, "") if args.checkpoint else recorded_checkpoint(bag)
        if first is None:
            remarks.append(f"no policy is replayed: {why}; give one with --checkpoint")
        else:
            checkpoints["policy"] = first
        if args.against:
            checkpoints["other"] = args.against
    packed = packed_words(bag, card)
    if packed and checkpoints:
        remarks.append(packed)
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

        measured = Replay(
            bag, card, policies, models, faults=faults, seed=args.seed, instruction=args.instruction, progress=progress
        ).run()
    return ReplayFigures(
        **{field.name: getattr(measured, field.name) for field in fields(measured)},
        faults_asked=tuple(args.fault), namespace=args.namespace, model=source, remarks=tuple(remarks), seed=args.seed,
        threads=args.threads, gates={}, exceeded=(), command=this_command(),
    )  # fmt: skip


def _finish(args: argparse.Namespace, figures, gates: dict[str, float]) -> int:
    from dataclasses import replace

    from vla_evidence.console import Console
    from vla_replay.offline.gate import exceeded
    from vla_replay.offline.table import show

    console = Console()
    show(figures, console)
    for remark in figures.remarks:
        console.print(printable(remark), style="yellow", markup=False)
    figures = replace(figures, gates=gates, exceeded=tuple(exceeded(figures.scores, gates)))
    _write(args, FIGURES_FILE, figures)
    if figures.exceeded:
        tell(f"vla replay: {'; '.join(figures.exceeded)}", file=sys.stderr)
    return 1 if figures.exceeded else 0


def _play(args: argparse.Namespace, bag, card) -> int:
    from vla_contract.command import this_command
    from vla_evidence.figures.replay import GraphReplayFigures
    from vla_replay.ros.replay_graph import GraphPlayer

    for note in bag.notes:
        tell(f"note: {note}", file=sys.stderr)
    with GraphPlayer(bag, card, rate=args.rate, run=args.run, instruction=args.instruction) as player:
        figures = GraphReplayFigures(graph=player.play(), card_hash=card.card_hash, command=this_command())
    tell(json.dumps(figures.to_json()["graph"], indent=2))
    _write(args, GRAPH_FILE, figures)
    return 0


def _write(args: argparse.Namespace, name: str, figures) -> None:
    """To --json, and under this name to the folder of --out."""
    from vla_contract.files import write_text

    for path in (args.json, args.out / name if args.out else None):
        if path is not None:
            write_text(path, json.dumps(figures.to_json(), indent=2, allow_nan=False) + "\n")
