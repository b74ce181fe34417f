"""Failures by label, and a card for each: what was seen at the first bad action, and why it is one."""

from __future__ import annotations

from collections import Counter

from vla_evidence.labels.finding import Label
from vla_evidence.report.charts import bar
from vla_evidence.report.folder import RunFolder
from vla_evidence.report.images import ReportImage
from vla_evidence.report.words import moment
from vla_evidence.rows.rows import EpisodeRow, InferenceRow

WORDS = {
    Label.VIEWPOINT: "the camera saw from elsewhere than in training",
    Label.WRONG_OBJECT: "another object than the named one was touched first, or held",
    Label.OUT_OF_WORKSPACE: "the tool was asked beyond the card's box, or the object has left it",
    Label.LIMITS_IGNORED: "the policy asked for motion that the card's limits forbid",
    Label.DROPPED: "the object was held and lifted, and let go short of the goal",
    Label.MISSED_GRASP: "the gripper closed on nothing",
    Label.TOO_SLOW: "plans came too late or too seldom, or the time limit came while the task advanced",
    Label.NO_PROGRESS: "nothing came nearer to its goal for a long time",
}
UNLABELLED = "no label"


def failed(run: RunFolder) -> list[EpisodeRow]:
    """Episodes of outcome FAILURE, in order. UNKNOWN is none of them."""
    return [row for row in run.episodes if row.outcome == "FAILURE"]


def failures_section(run: RunFolder, images: dict[int, list[ReportImage]], shown: list[EpisodeRow]) -> dict | None:
    """Counts by label, and cards of the failures shown; None without episodes.

    Args:
        images: By episode.
        shown: Failures that get a card.
    """
    if not run.episodes:
        return None
    rows = failed(run)
    counts = Counter(row.label or UNLABELLED for row in rows)
    most = max(counts.values(), default=1)
    labels = [
        {"label": label, "count": count, "share": count / len(rows), "words": WORDS.get(label, "no rule fits"),
         "svg": bar(count / most, "fail")}
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]  # fmt: skip
    bad = {(row.run_id, row.episode, row.sequence): row for row in run.inferences}
    notes = {one.run_id: one for one in run.said}
    cards = []
    for row in shown:
        inference = bad.get((row.run_id, row.episode, row.first_bad_sequence)) if row.first_bad_sequence is not None else None
        said = notes.get(row.run_id) if row.outcome_source == "OPERATOR" else None  # else it was withdrawn
        cards.append({
            "row": row, "label": row.label or UNLABELLED, "words": WORDS.get(row.label, ""),
            "images": images.get(row.episode, []), "when": _when(row), "asked": _asked(inference),
            "note": said.note if said else "", "by": said.by if said else "",
        })  # fmt: skip
    return {"failed": len(rows), "labels": labels, "cards": cards, "file": run.episodes_from}


def _when(row: EpisodeRow) -> str:
    if row.first_bad_stamp_ns is None:
        return ""
    chunk = f", chunk {row.first_bad_sequence}" if row.first_bad_sequence is not None else ""
    if row.start_ns:
        return f"{(row.first_bad_stamp_ns - row.start_ns) / 1e9:.2f} s after its begin{chunk}"
    return f"{moment(row.first_bad_stamp_ns)}{chunk}"


def _asked(row: InferenceRow | None) -> str:
    """What the controller made of the chunk that was under way."""
    if row is None:
        return ""
    words = [f"verdict {row.verdict}" if row.verdict else "no report", row.message]
    if row.steps_executed:
        words.append(f"{row.steps_clamped} of {row.steps_executed} steps clamped")
    worst = max(row.clamps, key=lambda clamp: float(clamp.get("amount") or 0.0), default=None)
    if worst:
        words.append(f"furthest beyond: {worst.get('limit', '')} by {float(worst.get('amount') or 0.0):.3g}")
    return "; ".join(word for word in words if word)
