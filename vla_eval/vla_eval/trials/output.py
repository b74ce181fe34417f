"""The run folder of `vla eval`: summary and episode rows."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from vla_contract.card import load_card
from vla_contract.evidence import json_ready
from vla_eval.evidence.parquet import write_parquet
from vla_eval.evidence.rows import EpisodeRow, write_rows
from vla_eval.trials.errors import named_errors
from vla_eval.trials.request import EXPERT, EvalRequest, fingerprint, run_id
from vla_eval.trials.result import TrialResult


def write_run(folder: Path, request: EvalRequest, figures: dict) -> None:
    """`eval.json`, the summary with a row a trial, and `episodes.jsonl` and `.parquet`; each whole or not at all.

    Args:
        figures: What `evaluate` gives. Runs have their ids from the request in it, that of the folder: operators' labels are
            found by these ids, also after the suite was updated.

    Raises:
        OSError: A file cannot be written; names it or the folder.
    """
    identity = figures.get("request") or request.identity()
    text = json.dumps(json_ready({**figures, "request": {**identity, "card": str(request.card_path)}}), indent=2)
    partial = folder / ".eval.json.partial"
    with named_errors(folder):
        partial.write_text(text + "\n")
        os.replace(partial, folder / "eval.json")
        rows = episode_rows(request, identity, [TrialResult.from_row(row) for row in figures["rows"]])
        write_rows(folder / "episodes.jsonl", rows)
        write_parquet(folder / "episodes.parquet", EpisodeRow, rows)


def episode_rows(request: EvalRequest, identity: dict, results: Sequence[TrialResult]) -> list[EpisodeRow]:
    """Evidence of finished trials, under the run ids of `request.run_id`."""
    card, of_request = load_card(request.card_path), fingerprint(identity)
    head = "" if request.checkpoint == EXPERT else _head(request.checkpoint)
    what = [request.perturbations.text, f"setup={request.setup}" if request.setup != "standard" else ""]
    what.append(f"noise={request.noise:g}" if request.noise else "")
    return [
        EpisodeRow(
            run_id=run_id(of_request, one.task, one.seed),
            episode=number,
            task=one.task,
            seed=one.seed,
            instruction=one.instruction,
            card_name=card.name,
            card_hash=card.card_hash,
            policy_hash=card.policy_hash,
            checkpoint=request.checkpoint,
            checkpoint_hash="" if request.checkpoint == EXPERT else identity["checkpoint_hash"],
            policy=EXPERT if request.checkpoint == EXPERT else "native",
            head=head,
            action_space=card.action.space,
            cameras=tuple(card.camera_names),
            split=one.split,
            perturbation=" ".join(word for word in what if word),
            start_ns=one.start_ns,
            end_ns=one.end_ns,
            seconds=one.seconds,
            inferences=one.chunks,
            steps_executed=one.steps_executed,
            steps_clamped=one.steps_clamped,
            steps_skipped=one.steps_skipped,
            clamped_share=round(one.steps_clamped / one.steps_executed, 4) if one.steps_executed else 0.0,
            refused=one.refused,
            outcome={True: "SUCCESS", False: "FAILURE", None: "UNKNOWN"}[one.success],
            outcome_source="" if one.success is None else "SIM",
            first_bad_sequence=one.first_bad_sequence,
            first_bad_stamp_ns=one.first_bad_stamp_ns,
            label=one.label,
            first_touched=one.first_touched,
            target=one.target,
            pushes=one.pushes,
            recovered=one.pushes if one.success else 0,
            latency_p50_ms=one.latency_p50_ms,
            latency_p99_ms=one.latency_p99_ms,
        )
        for number, one in enumerate(results, 1)
    ]


def _head(checkpoint: str) -> str:
    from vla_policy_node.checkpoint import read_checkpoint

    return read_checkpoint(checkpoint).model.head
