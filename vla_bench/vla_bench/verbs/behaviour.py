"""`vla behaviour`: whether a change of the code changed what the arm does."""

from __future__ import annotations

import argparse
from pathlib import Path

from vla_contract.arguments import whole

HELP = "whether trajectories, reports and trials are still those that were recorded, to the bit"
CHANGED = 1
"""Exit code where something is otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla behaviour`."""
    parser.description = (
        "Runs streams of random chunks and faults through the controller, and trials of each task in lockstep, and compares "
        "a digest of each with the recorded one. Exit code 0: all the same, 1: some differ, 2: nothing to compare with."
    )
    parser.add_argument("--streams", type=whole(0), default=2000, metavar="N", help="streams of chunks (default: %(default)s)")
    parser.add_argument("--trials", type=whole(0), default=40, metavar="N", help="trials of each task (default: %(default)s)")
    parser.add_argument("--processes", type=whole(1), default=2, help="side by side (default: %(default)s)")
    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument("--checkpoint", default="panda_tabletop", help="checkpoint of the trials (default: %(default)s)")
    parser.add_argument("--against", type=Path, metavar="FILE", help="a recording (default: the one that ships)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what is measured now instead of comparing it")


def run(args: argparse.Namespace) -> int:
    """Prints what differs, with the seed to run again. Raises BehaviourError."""
    from tqdm import tqdm

    from vla_bench.behaviour.recorded import ROUNDS, SHIPPED, Recorded
    from vla_bench.behaviour.rows import SEED, TASKS, row_digests
    from vla_bench.behaviour.streams import stream_digests
    from vla_bench.machine import describe_machine

    known = None if args.record else Recorded.load(args.against or SHIPPED)
    now = Recorded(describe_machine())
    with tqdm(total=args.streams, desc="streams", unit="stream") as bar:
        for seed, digest in stream_digests(range(args.streams), args.processes) if args.streams else ():
            now.streams[seed] = digest
            bar.update()
    if args.trials:
        for task in TASKS:
            now.rows[task] = row_digests(task, str(args.card), str(args.checkpoint), args.trials, args.processes)
    if args.record:
        now.save(args.record)
        print(f"{len(now.streams)} streams and {sum(map(len, now.rows.values()))} trials are in {args.record}")
        return 0
    for what in ROUNDS:
        if known.machine.get(what) != now.machine[what]:
            print(f"recorded with {known.machine.get(what)}, this is {now.machine[what]}: sums may be rounded otherwise")
    streams, rows = known.changed(now)
    print(f"{len(streams)} of {len(now.streams)} streams differ, {len(rows)} of {sum(map(len, now.rows.values()))} trials differ")
    for seed in streams[:10]:
        print(f"  stream {seed}: vla fuzz --episode {seed} runs one of its cell")
    for task, number in rows[:10]:
        print(f"  {task}: vla eval --task {task} --trials 1 --seed {SEED + number}")
    return CHANGED if streams or rows else 0
