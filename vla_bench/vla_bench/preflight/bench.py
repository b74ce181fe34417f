"""Figures of the preflight for `vla bench`: planted faults that are told, findings in clean runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vla_bench.preflight.faults import TWELVE, Fault, plant
from vla_bench.preflight.simulated import Recording, events, record
from vla_bench.preflight.write_bag import write_bag
from vla_contract.card import InterfaceCard, load_card
from vla_replay.preflight.from_bag import sample_of_bag
from vla_replay.preflight.known import known_of_checkpoint, read_images, read_metadata
from vla_replay.preflight.preflight import Preflight, preflight
from vla_trials.lockstep.simulated_cell import SimulatedCell

TASKS = ("pick", "place_in_bowl", "cup_on_coaster", "stack")
SECONDS = 8.0
"""Longest trial [s]."""
FIRST_SEED = 7000


def preflight_bench(
    card_path: str | Path, checkpoint: str | Path, *, clean: int = 20, progress: Callable[[str], None] = lambda text: None
) -> dict[str, int]:
    """Through real bags: each is written as the recorder writes it, and read like any other.

    Args:
        clean: Runs without a fault, of all tasks in turn.

    Returns:
        caught: Of ``planted`` faults those that were told under their own check and field, with nothing else.
        false_alarms: Findings in clean runs. clean_runs: how many there were.
    """
    card, metadata = load_card(card_path), read_metadata(checkpoint)
    cell = SimulatedCell(card)
    with TemporaryDirectory() as folder:
        bench = _Bench(card, metadata, read_images(checkpoint), Path(folder))
        false_alarms = caught = 0
        for number in range(clean):
            progress(f"clean run {number + 1} of {clean}")
            run = record(cell, TASKS[number % len(TASKS)], FIRST_SEED + number, SECONDS)
            false_alarms += len(bench.check(run, None).findings)
        run = record(cell, TASKS[0], FIRST_SEED, SECONDS)
        for fault in TWELVE:
            progress(fault.name)
            caught += is_told(fault, bench.check(run, fault))
    cell.world.close()
    return {"caught": caught, "planted": len(TWELVE), "false_alarms": false_alarms, "clean_runs": clean}


def is_told(fault: Fault, result: Preflight) -> bool:
    """Whether the findings name the fault's check and field, and no other check."""
    told = any(f.check == fault.check and fault.field in f.field.split(", ") for f in result.findings)
    return told and {finding.check for finding in result.findings} == {fault.check}


class _Bench:
    def __init__(
        self, card: InterfaceCard, metadata: dict[str, str], images: dict[str, np.ndarray], folder: Path
    ) -> None:
        self._card, self._metadata, self._images, self._folder = card, metadata, images, folder
        self._count = 0

    def write(self, run: Recording, fault: Fault | None) -> Path:
        self._count += 1
        path = self._folder / f"bag_{self._count}"
        stream = events(run) if fault is None else plant(fault, self._card, events(run))
        write_bag(path, self._card, stream)
        return path

    def check(self, run: Recording, fault: Fault | None) -> Preflight:
        path = self.write(run, fault)
        metadata = self._metadata if fault is None else fault.alter_metadata(self._metadata)
        known = known_of_checkpoint(metadata, "the checkpoint", self._card)
        known.images, known.reference = self._images, "the training"
        result = preflight(self._card, sample_of_bag(path, self._card), known)
        shutil.rmtree(path)  # a bag of images is large
        return result
