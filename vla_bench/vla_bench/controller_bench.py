"""The controller's figures, part by part: fuzz, self-collision, cost, seams, clean chunks, faults."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from vla_bench.machine import describe_machine
from vla_contract.card import load_card
from vla_evidence.console import Console

PARTS = ("fuzz", "self_collision", "cost", "seam", "clean", "faults")
FUZZ_CHUNKS = 20_000
FUZZ_LONG_CHUNKS = 1_000_000


def measure_part(
    part: str, card_path: str, checkpoint: str, out: Path, docs: Path, console: Console, *, long: bool, postures: int
) -> dict:
    """Keys below ``controller`` that this part fills. docs: folder for the pages and images that it writes. postures: of each
    arm, for self_collision.

    long: the fuzz is FUZZ_LONG_CHUNKS, goes on where it was interrupted, and is kept in docs/figures/fuzz_long.json;
    clean chunks are counted over five times the episodes.
    """
    measures: dict[str, Callable[[], dict]] = {
        "fuzz": lambda: fuzz_long(out, docs) if long else fuzz(),
        "self_collision": lambda: self_collision(postures, console),
        "cost": lambda: cost(card_path, docs, console),
        "seam": lambda: seam(card_path, docs, console),
        "clean": lambda: clean(card_path, console, 30 if long else 6),
        "faults": lambda: faults(card_path, checkpoint, out),
    }
    return measures[part]()


def fuzz() -> dict:
    """FUZZ_CHUNKS hostile and acceptable chunks."""
    from vla_bench.fuzz.runner import measure

    return {"fuzz": measure(FUZZ_CHUNKS, processes=_processes(), seed=0, out=None, progress=True)}


def fuzz_long(out: Path, docs: Path, chunks: int = FUZZ_LONG_CHUNKS) -> dict:
    """FUZZ_LONG_CHUNKS, with its date and machine kept in docs/figures/fuzz_long.json. Interrupted, it goes on from out/."""
    from vla_bench.fuzz.runner import measure

    figures = measure(chunks, processes=_processes(), seed=1, out=out / "fuzz_long", progress=True)
    kept = {"date": datetime.date.today().isoformat(), "machine": describe_machine(), "figures": figures}
    (docs / "fuzz_long.json").write_text(json.dumps(kept, indent=2) + "\n")
    return {"fuzz_long": figures}


def self_collision(postures: int, console: Console) -> dict:
    """Random postures of the shipped arms, judged by MuJoCo and by coal against the checker."""
    from vla_bench.controller.self_collision import measure

    return {"self_collision": measure(postures, _processes(), progress=console.print)}


def cost(card_path: str, docs: Path, console: Console) -> dict:
    """In a process of its own, as the controller has one: what else this one has loaded would slow its collector."""
    from vla_bench.controller.cost import markdown

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        figures = pool.submit(_cost, card_path).result()
    page = markdown(figures)
    (docs / "planning_cost.md").write_text(page)
    console.print(page, markup=False, soft_wrap=True)
    return {"cost": figures}


def _cost(card_path: str) -> dict:
    from vla_bench.controller.cost import measure

    return measure(load_card(card_path))


def seam(card_path: str, docs: Path, console: Console, changes: int = 1000) -> dict:
    """All strategies under both rules, the baseline, the table and the image."""
    from vla_bench.seams.bench import measure, table

    figures = measure(load_card(card_path), changes, docs=docs, progress=console.print)
    Console(width=max(console.width, 170)).print(table(figures))
    return {"seam": figures}


def clean(card_path: str, console: Console, episodes: int) -> dict:
    """Expert demonstrations in lockstep."""
    from vla_bench.controller.clean import measure

    figures = measure(card_path, episodes, progress=console.print)
    return {"clean_changed_share": figures["changed_share"], "clean": figures}


def faults(card_path: str, checkpoint: str, out: Path) -> dict:
    """Faults through the running graph."""
    from vla_bench.faults.matrix import measure

    folder = out / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    figures = measure(progress=True, card_path=str(card_path), checkpoint=str(checkpoint), folder=folder)
    return {"faults": figures, "stop_ms": figures["stop_ms"]}


def _processes() -> int:
    return max(1, len(os.sched_getaffinity(0)))
