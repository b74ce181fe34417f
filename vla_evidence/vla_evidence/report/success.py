"""Success with intervals, always beside the share of steps clamped; and what is scored apart from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vla_evidence.report.charts import bar, interval_bar
from vla_evidence.report.folder import RunFolder
from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.rows.scoring import score
from vla_evidence.statistics.intervals import wilson_interval


def tally(rows: Sequence[EpisodeRow]) -> dict:
    """Counts, rate and Wilson interval (95 %) of the known outcomes, and the share of their executed steps that was clamped.

    Returns:
        episodes, known, successes, unknown; rate, low, high (None where nothing is known); if_failed and if_succeeded, the
        rate if every UNKNOWN had failed or succeeded; executed and clamped_share (None where nothing was executed), of the
        episodes of known outcome.
    """
    scored, known = score(rows), _known(rows)
    low, high = scored.interval or (None, None)
    return {
        "episodes": len(rows),
        "known": scored.trials,
        "successes": scored.successes,
        "unknown": scored.unknown,
        "rate": scored.rate,
        "low": low,
        "high": high,
        "if_failed": scored.successes / len(rows) if rows else None,
        "if_succeeded": (scored.successes + scored.unknown) / len(rows) if rows else None,
        "executed": sum(row.steps_executed for row in known),
        "clamped_share": scored.clamped_share,
        "sources": dict(Counter(row.outcome_source for row in known)),
    }


def _known(rows: Sequence[EpisodeRow]) -> list[EpisodeRow]:
    return [row for row in rows if row.outcome != "UNKNOWN"]


def success_section(run: RunFolder) -> dict | None:
    """Tallies by task, perturbation, split and policy, and over all; None without episodes."""
    if not run.episodes:
        return None
    groups: dict[tuple[str, ...], list[EpisodeRow]] = {}
    for row in run.episodes:
        groups.setdefault((row.task, row.perturbation, row.split, row.policy), []).append(row)
    several_policies = len({key[3] for key in groups}) > 1
    made = []
    for key in sorted(groups):
        task, perturbation, split, policy = key
        name = task or "task not recorded"
        made.append({
            "name": name, "policy": policy if several_policies else "", "perturbation": perturbation, "split": split,
            "key": f"success.{len(made)}", **_drawn(tally(groups[key])),
        })  # fmt: skip
    everything = {"name": "all", "policy": "", "perturbation": "", "split": "", "key": "success.all"}
    return {
        "groups": made,
        "total": {**everything, **_drawn(tally(run.episodes))},
        "apart": _apart(run),
        "file": run.episodes_from,
    }


def _drawn(figures: dict) -> dict:
    known = figures["rate"] is not None
    return {
        **figures,
        "interval_svg": interval_bar(figures["rate"], figures["low"], figures["high"]) if known else "",
        "clamp_svg": "" if figures["clamped_share"] is None else bar(figures["clamped_share"], "clamp"),
    }


def _apart(run: RunFolder) -> list[dict]:
    """Grounding, recovery and action accuracy: name, numbers and what they mean."""
    rows, out = run.episodes, []
    touched = [r for r in rows if r.first_touched and r.target]
    if touched:
        hits = sum(r.first_touched == r.target for r in touched)
        out.append(_share("Grounding", "grounding", hits, len(touched), "first object touched is the named one"))
    known = _known(rows)
    pushes = sum(r.pushes for r in known)
    if pushes:
        recovered = sum(min(r.recovered, r.pushes) for r in known)
        words = "pushes after which the task was done, over known outcomes"
        out.append(_share("Recovery", "recovery", recovered, pushes, words))
    action = run.evaluation.action if run.evaluation else None
    for name, unit, words in (
        ("action_error_mm", "mm", "mean error of the first step against the expert's, an axis"),
        ("action_error_deg", "°", "mean error of the first step against the expert's, an axis"),
    ):
        value = getattr(action, name) if action else None
        if value is not None:
            out.append({"name": "Action accuracy", "key": name, "value": value, "unit": unit, "words": words})
    return out


def _share(name: str, key: str, hits: int, of: int, words: str) -> dict:
    return {"name": name, "key": key, "hits": hits, "of": of, "interval": wilson_interval(hits, of), "words": words}
