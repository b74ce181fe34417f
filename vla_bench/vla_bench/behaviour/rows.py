"""Trials in lockstep, each as one digest of its row."""

from __future__ import annotations

import json

from vla_bench.behaviour.digest import Digest
from vla_contract.json_ready import json_ready
from vla_trials.trials.evaluate import EvalRequest, evaluate

TASKS = ("pick", "place_in_bowl", "cup_on_coaster", "stack")
SEED = 50_000
COLUMNS = (
    "task", "seed", "instruction", "success", "seconds", "virtual_seconds", "first_touched", "target", "chunks",
    "steps_executed", "steps_clamped", "refused", "pushes", "moves", "distractors", "blind_frames", "steps_skipped",
    "latency_p50_ms", "latency_p99_ms", "split", "setup", "perturbation", "action_error_mm", "action_error_deg",
    "gripper_agreement", "start_ns", "end_ns", "label", "first_bad_sequence", "first_bad_stamp_ns",
)  # fmt: skip
"""Those that a trial's row has had since the first recording; columns that came later change no digest."""


def row_digest(row: dict) -> str:
    """Of a row of `vla eval`."""
    digest = Digest()
    digest.feed(json.dumps({name: json_ready(row[name]) for name in COLUMNS}, sort_keys=True))
    return digest.hexdigest()


def row_digests(task: str, card: str, checkpoint: str, trials: int, processes: int) -> list[str]:
    """Of the trials of a task, in the order of their seeds."""
    request = EvalRequest(card, checkpoint, task, tuple(range(SEED, SEED + trials)))
    figures = evaluate(request, jobs=processes)
    return [row_digest(row) for row in figures["rows"]]
