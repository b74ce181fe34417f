"""Two run folders beside each other: paired where both have the same task, seed and circumstances, else task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vla_contract.instructions import normalised
from vla_evidence.figures import PairedFigures
from vla_evidence.figures.evaluation import RequestFigures
from vla_evidence.report.charts import interval_bar
from vla_evidence.report.errors import ReportError
from vla_evidence.report.folder import RunFolder
from vla_evidence.report.paired import compared, pair_rows
from vla_evidence.report.success import tally
from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.statistics.paired import compare
from vla_evidence.statistics.unpaired import compare_unpaired

ALPHA = 0.05

_OF_ROWS = ("card_hash", "policy", "checkpoint", "checkpoint_hash", "head", "action_space", "split", "perturbation")
_OF_FOLDERS = ("card",)
"""Of a request, what says where files lay and changes no result."""
_OF_REQUESTS = tuple(f.name for f in fields(RequestFigures) if f.name not in _OF_FOLDERS)
_EMPTY = {"rule": "the card's", "time_limit_s": "the card's", "split": "none", "perturbation": "none"}
"""What an empty value says; of all others it says that an older version did not note it."""
_NOT_NOTED = "not noted"


def against_section(first: RunFolder, second: RunFolder) -> dict:
    """Both tallies, what differs between the two, and the paired comparison; where nothing pairs, one test a task.

    Raises:
        ReportError: A folder has no episodes.
    """
    for run in (first, second):
        if not run.episodes:
            raise ReportError(f"{run.path}: --against compares episodes, and this folder has none (episodes.jsonl or eval.json)")
    names = tuple(_name(run, k) for k, run in enumerate((first, second)))
    if names[0] == names[1]:
        names = (str(first.path), str(second.path))
    pairs, left_out = pair_rows(first.episodes, second.episodes)
    sides = []
    for k, (name, run) in enumerate(zip(names, (first, second))):
        figures = tally(run.episodes)
        drawn = interval_bar(figures["rate"], figures["low"], figures["high"]) if figures["rate"] is not None else ""
        sides.append({"name": name, "key": f"against.{k}", "folder": str(run.path), **figures, "interval_svg": drawn})
    return {
        "sides": sides,
        "changed": changes(first, second),
        "looked_at": [*compared_names(first, second)],
        "comparison": compared(PairedFigures.from_json(compare(pairs, names), "comparison"), "") if pairs.count else None,
        "unpaired": [] if pairs.count else unpaired_rows(first.episodes, second.episodes, names),
        "alpha": ALPHA,
        "left_out": left_out,
        "sources": [*second.named("episodes.jsonl", "episodes.parquet", "eval.json", "labels.jsonl")],
    }


def unpaired_rows(first: Sequence[EpisodeRow], second: Sequence[EpisodeRow], names: tuple[str, str]) -> list[dict]:
    """A test for each task (or sentence, where no task is noted) and perturbation of which both know an outcome.

    Never over several of them at once: a folder with more of the easy ones would seem to be the better policy. Of k tests each
    is held against `ALPHA` / k (Bonferroni).
    """
    here, there = _counted(first), _counted(second)
    common = [group for group in here if group in there]
    rows = []
    for task, perturbation in common:
        group = (task, perturbation)
        made = compare_unpaired(here[group], there[group], names, ALPHA / len(common))
        rows.append({"name": " ".join(filter(None, group)) or "all runs", **made})
    return rows


def _counted(episodes: Sequence[EpisodeRow]) -> dict[tuple[str, str], tuple[int, int]]:
    """Successes and known outcomes of each task and perturbation."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for row in episodes:
        if row.outcome == "UNKNOWN":
            continue
        group = (row.task or normalised(row.instruction), row.perturbation)
        successes, known = counts.get(group, (0, 0))
        counts[group] = (successes + (row.outcome == "SUCCESS"), known + 1)
    return counts


def compared_names(first: RunFolder, second: RunFolder) -> tuple[str, ...]:
    """What can be compared: of the rows, and of the requests where both folders are of `vla eval`."""
    return tuple(dict.fromkeys(_OF_ROWS + (_OF_REQUESTS if first.evaluation and second.evaluation else ())))


def changes(first: RunFolder, second: RunFolder) -> list[tuple[str, str, str]]:
    """Name, value here and there, of all that differs and can change a result. Of rows: only where both sides say something."""
    out = []
    for name in compared_names(first, second):
        if first.evaluation and second.evaluation and name in _OF_REQUESTS:
            values = [_of_request(name, getattr(run.evaluation.request, name)) for run in (first, second)]
        else:
            values = [_of_rows(name, run) for run in (first, second)]
        if values[0] != values[1] and all(values):
            out.append((name, *values))
    return out


def _of_rows(name: str, run: RunFolder) -> str:
    """All values of a column; empty where the rows do not have it."""
    values = {getattr(row, name) or _EMPTY.get(name, "") for row in run.episodes} - {""}
    return ", ".join(sorted(values))


def _of_request(name: str, value: Any) -> str:
    if value is None or value == "":
        return _EMPTY.get(name, _NOT_NOTED)
    if name == "seeds":
        return ", ".join(f"{low} to {high}" if low != high else f"{low}" for low, high in value)
    if name == "latency":
        return "floor {:g} s, median {:g} s, spread {:g}".format(*value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _name(run: RunFolder, number: int) -> str:
    names = {row.policy or row.checkpoint for row in run.episodes} - {""}
    return names.pop() if len(names) == 1 else ("this folder", "the other")[number]
