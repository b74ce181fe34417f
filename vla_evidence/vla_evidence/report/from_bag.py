"""What the report takes from the bag: its metadata, the motion of a run or two, and frames at the first bad actions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vla_bags.reader import Bag, BagError
from vla_contract.card import CardError, InterfaceCard
from vla_evidence.report.charts import motion_chart
from vla_evidence.report.folder import RunFolder
from vla_evidence.report.images import ReportImage, images_from_bag, images_from_files
from vla_evidence.report.motion import Motion, RunReports, read_motion, read_reports
from vla_evidence.rows.rows import EpisodeRow


@dataclass
class BagParts:
    """Attributes: charts, one a dictionary; why, said where there are none; images by episode."""

    metadata: dict[str, str] = field(default_factory=dict)
    charts: list[dict] = field(default_factory=list)
    why: str = ""
    images: dict[int, list[ReportImage]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def take_from_bag(run: RunFolder, failures: list[EpisodeRow]) -> BagParts:
    """Charts of the worst episode and the first failure, and images of these failures. Without a bag: those of `frames/`.

    Raises:
        BagError: The bag cannot be read. CardError: its card is wrong.
    """
    parts = BagParts()
    runs = Counter(row.run_id for row in run.episodes)  # trials of `vla eval` share one
    for row in failures:
        prefixes = [f"episode_{row.episode}", f"{row.task}_{row.seed}", row.run_id if runs[row.run_id] == 1 else ""]
        found = images_from_files(run.images, [p for p in prefixes if p])
        if found:
            parts.images[row.episode] = found
    if run.bag is None:
        return parts
    with Bag(run.bag, run.namespace) as bag:
        parts.metadata = dict(bag.metadata)
        if bag.truncated:
            parts.notes.append("the recorder did not end the bag: what was written whole is counted")
        parts.notes += [f"the bag: {note}" for note in bag.notes]
        try:
            card = bag.card()
        except CardError:
            raise
        except BagError as error:
            parts.why = str(error)
            return parts
        reports, malformed = read_reports(bag)
        if malformed:
            parts.notes.append(f"{malformed} chunk reports of the bag contradict themselves, and are not drawn")
        _charts(bag, card, run, reports, parts)
        wanted = {
            row.episode: (row.first_bad_stamp_ns, reports[row.run_id].window_ns if row.run_id in reports else None)
            for row in failures
            if row.first_bad_stamp_ns and row.episode not in parts.images
        }
        if wanted:
            found, unreadable = images_from_bag(bag, card, wanted)
            parts.images |= found
            parts.notes += [f"a frame at a first bad action is not shown: {why}" for why in unreadable]
    return parts


def _charts(bag: Bag, card: InterfaceCard, run: RunFolder, reports: dict[str, RunReports], parts: BagParts) -> None:
    if not reports:
        parts.why = "the bag has no chunk reports (vla/chunk_report): nothing tells what was commanded or clamped"
        return
    rows = {row.run_id: row for row in run.episodes}
    if run.episodes and not rows.keys() & reports.keys():
        parts.notes.append(f"no episode of {run.episodes_from} is a run of the bag: they are of different recordings")
    for run_id, title in _chosen(run, reports):
        summary = reports[run_id]
        motions = {arm.name: read_motion(bag, card, arm, summary) for arm in card.arms}
        row = rows.get(run_id)
        arms = [_arm(motion, row) for motion in motions.values() if motion is not None]
        if not arms:
            continue
        parts.charts.append({
            "title": title, "run_id": run_id, "episode": row.episode if row else None,
            "outcome": row.outcome if row else "UNKNOWN", "instruction": row.instruction if row else "",
            "executed": summary.executed, "altered": summary.altered, "share": summary.altered / summary.executed,
            "arms": arms, "still": [name for name, motion in motions.items() if motion is None],
            "bad": row is not None and row.first_bad_stamp_ns is not None, "limits": summary.limits.most_common(),
        })  # fmt: skip
    if not parts.charts and not parts.why:
        arms = ", ".join(f"arm {arm.name} ({arm.trajectory_topic})" for arm in card.arms)
        parts.why = f"the bag has no trajectory of {arms} for any run"


def _arm(motion: Motion, row: EpisodeRow | None) -> dict:
    """One arm's charts of a run, and its fastest joint."""
    bad_s = None
    if row is not None and row.first_bad_stamp_ns is not None:
        bad_s = (row.first_bad_stamp_ns - motion.start_ns) * 1e-9
    words = f"of each joint of {motion.arm} as share of its limit"
    drawn = [
        (name, motion_chart(motion.seconds, shares, motion.clamped, bad_s, f"{name} {words}"))
        for name, shares in (("Velocity", motion.shares), ("Acceleration", motion.accelerations))
    ]
    return {
        "name": motion.arm, "drawn": drawn, "left_out": motion.left_out, "why": motion.why,
        "peak": float(motion.shares.max()), "joint": motion.joints[int(motion.shares.max(axis=0).argmax())],
    }  # fmt: skip


def _chosen(run: RunFolder, reports: dict[str, RunReports]) -> list[tuple[str, str]]:
    """Run id and title: the largest share of steps clamped, and the first failure."""
    moved = [r for r in reports.values() if r.executed]
    if not moved:
        return []
    worst = max(moved, key=lambda r: (r.clamped_share, r.altered))
    first = next((e.run_id for e in run.episodes if e.outcome == "FAILURE" and e.run_id in reports), None)
    if first == worst.run_id:
        return [(first, "Most steps clamped, and first failure")]
    chosen = [(worst.run_id, "Most steps clamped")]
    return chosen + ([(first, "First failure")] if first is not None and reports[first].executed else [])
