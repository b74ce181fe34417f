"""The run folder of `vla eval`: summary and episode rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from vla_contract.card import load_card
from vla_contract.files import write_text
from vla_contract.json_ready import json_ready
from vla_contract.policy_spec import NATIVE, split_spec
from vla_evidence.figures import EvalFigures
from vla_evidence.rows.parquet import write_parquet
from vla_evidence.rows.row_files import write_rows
from vla_evidence.rows.rows import EpisodeRow
from vla_trials.trials.errors import named_errors
from vla_trials.trials.request import EXPERT, EvalRequest, fingerprint, run_id
from vla_trials.trials.result import TrialResult

_SHARED = {f.name for f in fields(EpisodeRow)} & {f.name for f in fields(TrialResult)} - {"perturbation"}
"""Fields of a trial that are columns of its episode: under one name they mean one thing, but for the perturbation in words."""


def write_run(folder: Path, request: EvalRequest, figures: dict) -> None:
    """`eval.json`, the summary with a row a trial, and `episodes.jsonl` and `.parquet`; each whole or not at all.

    Args:
        figures: What `evaluate` gives. Runs have their ids from the request in it, that of the folder: operators' labels are
            found by these ids, also after the suite was updated.

    Raises:
        OSError: A file cannot be written; names it or the folder.
    """
    identity = figures.get("request") or request.identity()
    of_request = figures.get("fingerprint") or fingerprint(identity)
    content = json_ready({**figures, "request": {**identity, "card": str(request.card_path)}})
    text = json.dumps(EvalFigures.from_json(content, str(folder / "eval.json")).to_json(), indent=2)
    with named_errors(folder):
        write_text(folder / "eval.json", text + "\n")
        rows = episode_rows(request, identity, [TrialResult.from_row(row) for row in figures["rows"]], of_request)
        write_rows(folder / "episodes.jsonl", rows)
        write_parquet(folder / "episodes.parquet", EpisodeRow, rows)


def episode_rows(
    request: EvalRequest, identity: dict, results: Sequence[TrialResult], of_request: str = ""
) -> list[EpisodeRow]:
    """Evidence of finished trials, under the run ids of `request.run_id`. of_request: the fingerprint for them."""
    card, of_request = load_card(request.card_path), of_request or fingerprint(identity)
    is_expert = request.checkpoint == EXPERT
    what = [request.perturbations.text, f"setup={request.setup}" if request.setup != "standard" else ""]
    what.append(f"noise={request.noise:g}" if request.noise else "")
    of_all = EpisodeRow(
        run_id="", episode=0, task="", seed=None, instruction="", card_name=card.name, card_hash=card.card_hash,
        policy_hash=card.policy_hash, checkpoint=request.checkpoint,
        checkpoint_hash="" if is_expert else identity["checkpoint_hash"],
        policy=EXPERT if is_expert else split_spec(request.checkpoint)[0],
        head="" if is_expert else _head(request.checkpoint), action_space=card.action.space,
        cameras=tuple(card.camera_names), perturbation=" ".join(word for word in what if word),
    )  # fmt: skip
    return [
        replace(
            of_all, **{name: getattr(one, name) for name in _SHARED}, run_id=run_id(of_request, one.task, one.seed),
            episode=number, inferences=one.chunks, recovered=one.pushes if one.success else 0,
            clamped_share=round(one.steps_clamped / one.steps_executed, 4) if one.steps_executed else 0.0,
            outcome={True: "SUCCESS", False: "FAILURE", None: "UNKNOWN"}[one.success],
            outcome_source="" if one.success is None else "SIM",
        )
        for number, one in enumerate(results, 1)
    ]  # fmt: skip


def _head(checkpoint: str) -> str:
    """Empty for a policy that another package opens: nobody says that it has one."""
    name, rest = split_spec(checkpoint)
    if name != NATIVE:
        return ""
    from vla_policy.checkpoint import read_checkpoint

    return read_checkpoint(rest).model.head
