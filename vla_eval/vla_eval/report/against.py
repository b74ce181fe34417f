"""Two run folders beside each other: paired where both have the same task, seed and circumstances."""

from __future__ import annotations

from vla_eval.report.charts import interval_bar
from vla_eval.report.content import Content, ReportError
from vla_eval.report.folder import RunFolder
from vla_eval.report.paired import compared, pair_rows
from vla_eval.report.success import tally
from vla_eval.trials.paired import compare

_SAID = ("card_hash", "policy", "checkpoint", "checkpoint_hash", "head", "action_space", "split", "perturbation")


def against_section(first: RunFolder, second: RunFolder) -> dict:
    """Both tallies, what differs between the two, and the paired comparison (None where nothing pairs).

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
        "comparison": compared(Content("comparison", compare(pairs, names))) if pairs.count else None,
        "left_out": left_out,
        "sources": [*second.named("episodes.jsonl", "episodes.parquet", "eval.json", "labels.jsonl")],
    }


def changes(first: RunFolder, second: RunFolder) -> list[tuple[str, str, str]]:
    """Name, value here and there, of all that the episodes say of themselves and that differs."""
    out = []
    for name in _SAID:
        values = [", ".join(sorted({getattr(row, name) for row in run.episodes} - {""})) for run in (first, second)]
        if values[0] != values[1] and all(values):
            out.append((name, *values))
    return out


def _name(run: RunFolder, number: int) -> str:
    names = {row.policy or row.checkpoint for row in run.episodes} - {""}
    return names.pop() if len(names) == 1 else ("this folder", "the other")[number]
