"""`vla fuzz`: random chunks, timing and faults against the controller, judged by an independent checker."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from vla_contract.arguments import whole

HELP = "random chunks and faults for the controller, judged by an independent checker"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vla_bench.fuzz.runner import BENCH_CHUNKS

    parser.add_argument("--chunks", type=whole(1), default=BENCH_CHUNKS, help="how many chunks (default: %(default)s)")
    parser.add_argument("--processes", type=whole(1), default=2, help="episodes side by side (default: %(default)s)")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the run (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/fuzz"),
        help="folder of results; a run is taken up there (default: %(default)s)",
    )
    parser.add_argument(
        "--postures", action="store_true",
        help="joint states in parts, from several drivers, stamped wrong, wrapped, with gaps (default: whole ones)",
    )  # fmt: skip
    parser.add_argument("--episode", type=whole(0), metavar="SEED", help="replay this one episode and print what it finds")


def run(args: argparse.Namespace) -> int:
    from vla_evidence.console import Console

    console = Console()
    if args.episode is not None:
        return _replay(args.episode, console)
    from vla_bench.fuzz.runner import measure
    from vla_contract.command import command_json

    result = {**measure(args.chunks, args.processes, args.seed, args.out, postures=args.postures), "command": command_json()}
    path = args.out / "fuzz.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    console.print_json(json.dumps({key: value for key, value in result.items() if key != "failures"}))
    for failure in result["failures"][:10]:
        console.print(
            f"vla fuzz --episode {failure['seed']}: {failure['kinds'] or failure['tracebacks']}", markup=False
        )
    console.print(f"figures are in {path}")
    return 1 if result["violations"] or result["exceptions"] or result["unreported"] else 0


def _replay(seed: int, console) -> int:
    from vla_bench.fuzz.runner import episode_of, row_of

    result = episode_of(seed)
    row = row_of(result)
    cell, card = result.cell, result.cell.card
    console.print(
        f"episode {seed}: {cell.robot.name} ({cell.form}), {len(card.arms)} arm(s), {card.action.space}, {cell.rule}, "
        f"{result.strategy}, horizon {card.action.horizon}, step {card.action.step_period:g} s, "
        f"jitter {cell.jitter_ns * 1e-6:.0f} ms, speed scale {cell.speed_scale:.2f}, outside {cell.outside}, "
        f"trajectory controllers {'speak' if result.speaks else 'are mute'}",
        markup=False,
    )
    for found in sorted(result.found, key=lambda f: f.time_ns):
        console.print(
            f"{found.time_ns * 1e-9:9.4f} s  chunk {found.chunk:4d}  {found.kind:22} {found.amount:.6g}  {found.detail}",
            markup=False,
        )
    for text in result.exceptions:
        console.print(text, markup=False)
    console.print_json(json.dumps({key: row[key] for key in row if key not in ("found", "tracebacks")}))
    return 1 if row["violations"] or row["exceptions"] or row["unreported"] else 0
