"""Whether two setups tell the same about several policies: Pearson r and mean maximum rank violation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vla_contract.files import read_bytes
from vla_contract.files.json_text import parse_json
from vla_contract.files.limits import FIGURES
from vla_contract.printing import kind_of
from vla_evidence.provenance.checkpoint import EXPERT
from vla_evidence.rows.outcomes import LABELS_FILE, load_episodes, read_outcomes
from vla_trials.trials.errors import TrialsError

SUMMARY = "eval.json"
ALIKE = ("card_hash", "latency", "replan_steps", "strategy", "committed_steps", "rule", "suite", "time_limit_s")
"""Fields of a request that must be the same in all summaries, beside the trials, their split and perturbation."""


def pearson(first: Sequence[float], second: Sequence[float]) -> float:
    """Correlation of the rates; NaN where one setup gives all policies the same rate."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 1e-12 else math.nan


def mean_maximum_rank_violation(reference: Sequence[float], other: Sequence[float]) -> float:
    """MMRV of X. Li et al., "Evaluating Real-World Robot Manipulation Policies in Simulation" (SIMPLER), arXiv 2405.05941.

    With rates R of the reference setup (there: the real robot) and S of the other (there: simulation),

        MMRV = mean over i of max over j of |R_i - R_j| * [(S_i > S_j) != (R_i > R_j)].

    0 where the other setup orders all policies as the reference does; at worst the largest difference in R that it gets wrong.
    """
    R, S = np.asarray(reference, float), np.asarray(other, float)
    violated = (S[:, None] > S[None, :]) != (R[:, None] > R[None, :])
    return float(np.mean(np.max(np.abs(R[:, None] - R[None, :]) * violated, axis=1)))


@dataclass(frozen=True)
class Scored:
    """One policy in one setup: name, setup, what it was tried on, and its success.

    Attributes:
        asked: Split, perturbation, and task and seed of each trial.
        labelled: Trials whose outcome is an operator's.
        checkpoint: Path of its file, as it was given.
        request: What the results depend on, see `EvalRequest.identity`; summaries of early versions tell a part of it, or none.
        notes: What a reader must know of the file, in sentences.
    """

    path: str
    policy: str
    setup: str
    asked: tuple
    trials: int
    rate: float
    labelled: int = 0
    checkpoint: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def checkpoint_hash(self) -> str:
        """Empty where the file does not tell it."""
        return str(self.request.get("checkpoint_hash", ""))

    @property
    def title(self) -> str:
        """Name, and the checkpoint's hash where there is one."""
        known = self.checkpoint_hash not in ("", EXPERT)
        return f"{self.policy} ({self.checkpoint_hash[:8]})" if known else self.policy

    @property
    def missing(self) -> list[str]:
        """Fields of a request that the file does not tell."""
        return [name for name in (*ALIKE, "checkpoint_hash", "noise") if name not in self.request]


def read_scored(path: Path) -> Scored:
    """From a summary of `vla eval`, or the folder that holds one. In a run folder an operator's word on a trial counts.

    Raises:
        TrialsError: The file is no such summary, or has no trial with a known outcome.
        OutcomeError, RowError, EvidenceError: Labels or episodes of the run folder cannot be read.
    """
    file = path / SUMMARY if path.is_dir() else path
    try:
        figures = parse_json(read_bytes(file, FIGURES))
        outcomes = {(row["task"], row["seed"]): row["success"] for row in figures["rows"]}
        asked = (figures["split"], figures["perturbation"], tuple(sorted(outcomes)))
        policy, setup, request = figures["policy"], figures["setup"], dict(figures.get("request", {}))
        request.pop("card", None)  # a path, and so no part of what the results depend on: that is its hash
        checkpoint = str(figures.get("checkpoint", ""))
        suites = list(figures.get("suites", {}))
        _check_kinds(figures, outcomes, suites)
    except FileNotFoundError:
        raise TrialsError(f"{file} does not exist; `vla eval --json` or `--out` writes it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrialsError(f"{file}: not a summary of `vla eval` ({type(error).__name__}: {error})") from None
    if len(suites) > 1:
        request["suite"] = " and ".join(sorted(suites))
    said, notes = _said(file.parent) if file.name == SUMMARY else ({}, ())
    labelled = said.keys() & outcomes.keys()
    known = [outcome for outcome in {**outcomes, **{key: said[key] for key in labelled}}.values() if outcome is not None]
    if not known:
        raise TrialsError(f"{file}: no trial has a known outcome")
    rate = sum(known) / len(known)
    return Scored(str(path), policy, setup, asked, len(known), rate, len(labelled), checkpoint, request, notes)


def _check_kinds(figures: Mapping[str, Any], outcomes: Mapping[tuple, Any], suites: Sequence[Any]) -> None:
    """Raises TypeError for what is not of the kind that it is taken for."""
    for key in ("policy", "setup", "split", "perturbation"):
        if not isinstance(figures[key], str):
            raise TypeError(f"{key} is {kind_of(figures[key])}, text is needed")
    for (task, seed), outcome in outcomes.items():
        if not (isinstance(task, str) and isinstance(seed, int) and (outcome is None or isinstance(outcome, bool))):
            raise TypeError(f"a trial of task {str(task)[:40]!r}, seed {str(seed)[:40]!r}, success {str(outcome)[:40]!r}")
    if not all(isinstance(suite, str) for suite in suites):
        raise TypeError("suites are no texts")


def _said(folder: Path) -> tuple[dict[tuple[str, int], bool | None], tuple[str, ...]]:
    """An operator's outcomes of a run folder by task and seed, and what is to say of those that could not be used."""
    said = read_outcomes(folder)
    if not said:
        return {}, ()
    episodes = load_episodes(folder)
    strangers = len({one.run_id for one in said} - {episode.run_id for episode in episodes})
    words = f"{folder / LABELS_FILE} names {strangers} run{'s' if strangers > 1 else ''} that no episode is of: not counted"
    by_operator = {
        (episode.task, episode.seed): {"SUCCESS": True, "FAILURE": False}.get(episode.outcome)
        for episode in episodes
        if episode.outcome_source == "OPERATOR"
    }
    return by_operator, (words,) if strangers else ()


def agreement(scored: Sequence[Scored], reference: str = "standard") -> dict:
    """Agreement of two setups over the policies that were tried in both, ready for JSON.

    Policies are told apart by the content of their checkpoint and the noise on it; where a file does not tell it, all are told
    apart by path and name.

    Raises:
        TrialsError: Not two setups, fewer than two policies in both, a policy twice in one, or trials that differ in
            anything but setup and policy, as tasks, seeds, latency, card or suite: their rates could not be compared.
    """
    setups = sorted({s.setup for s in scored}, key=lambda setup: (setup != reference, setup))
    if len(setups) != 2:
        raise TrialsError(f"agreement is between two setups, these are of: {', '.join(setups) or 'none'}")
    by_content = all(s.checkpoint_hash for s in scored)
    by_setup: dict[str, dict[tuple, Scored]] = {setup: {} for setup in setups}
    for one in scored:
        key = (one.checkpoint_hash, one.request.get("noise", 0.0)) if by_content else (one.checkpoint, one.policy)
        there = by_setup[one.setup]
        if key in there:
            raise TrialsError(f"{one.path}: policy '{one.title}' in setup '{one.setup}' is also in {there[key].path}")
        there[key] = one
    _check_alike(scored)
    first, second = by_setup.values()
    both = [key for key in first if key in second]
    left_out = sorted({**first, **second}[key].title for key in first.keys() ^ second.keys())
    if len(both) < 2:
        raise TrialsError(
            f"{len(both)} policies were tried in both setups, agreement needs at least 2 (3 to mean much); "
            f"left out: {', '.join(left_out) or 'none'}"
        )
    R, S = [first[key].rate for key in both], [second[key].rate for key in both]
    r = pearson(R, S)
    return {
        "setups": setups,
        "policies": [
            {
                "policy": first[key].policy,
                "title": first[key].title,
                "checkpoint_hash": first[key].checkpoint_hash,
                "rates": [first[key].rate, second[key].rate],
                "trials": [first[key].trials, second[key].trials],
                "labelled": [first[key].labelled, second[key].labelled],
            }
            for key in both
        ],
        "left_out": left_out,
        "pearson_r": None if math.isnan(r) else round(r, 4),
        "mmrv": round(mean_maximum_rank_violation(R, S), 4),
        "notes": [note for one in scored for note in one.notes] + _untold(scored),
    }


def _check_alike(scored: Sequence[Scored]) -> None:
    """Compares each with the first one that tells the field."""
    told: dict[str, Scored] = {}
    for one in scored:
        if one.asked != scored[0].asked:
            raise TrialsError(f"{one.path}: tried on other tasks, seeds, split or perturbations than {scored[0].path}")
        for name in ALIKE:
            if name not in one.request:
                continue
            other = told.setdefault(name, one)
            here, there = one.request[name], other.request[name]
            if here != there:
                raise TrialsError(f"{one.path}: {name}: {here!r}, {there!r} in {other.path}; only the setup may differ")


def _untold(scored: Sequence[Scored]) -> list[str]:
    """For files of early versions: what they do not tell, a sentence for each set of fields."""
    files: dict[tuple[str, ...], list[str]] = {}
    for one in scored:
        files.setdefault(tuple(sorted(one.missing)), []).append(one.path)
    files.pop((), None)
    notes = [f"not told, and so not compared: {', '.join(names)}, by {', '.join(paths)}" for names, paths in files.items()]
    if any(not one.checkpoint_hash for one in scored):
        notes.append("policies are told apart by path and name, because not every file tells the content of its checkpoint")
    return notes
