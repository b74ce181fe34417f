"""Facts that labels are built on, taken from a track: clamped shares, holds, attempts to grasp, the way that is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vla_contract.report import ClampLimit, Verdict
from vla_eval.evidence.finding import COVERED, EMPTY_NS, EMPTY_OPENING, LATE_SHARE, MIN_STEPS, Finding, Label
from vla_eval.evidence.track import Asked, EpisodeTrack, Sample

PICK_HEIGHT_M = 0.10
"""Height of an object's centre from which a pick is done [m]; see vla_sim.tasks."""


class Span(NamedTuple):
    """Consecutive samples of one kind: the indices of the first and the last."""

    first: int
    last: int


def spans(track: EpisodeTrack, holds) -> list[Span]:
    """The longest runs of samples for which `holds(sample)` is true, in order."""
    found: list[Span] = []
    begin: int | None = None
    for index, sample in enumerate(track.samples):
        if holds(sample):
            begin = index if begin is None else begin
        elif begin is not None:
            found.append(Span(begin, index - 1))
            begin = None
    return found if begin is None else [*found, Span(begin, len(track.samples) - 1)]


def lasts(track: EpisodeTrack, span: Span, at_least_ns: int) -> bool:
    """Whether a span of samples is that long."""
    return track.samples[span.last].t_ns - track.samples[span.first].t_ns >= at_least_ns


def finding(track: EpisodeTrack, label: Label, stamp_ns: int, words: str) -> Finding:
    """With the chunk in motion at that moment."""
    return Finding(label, int(stamp_ns), track.sequence_at(stamp_ns), words)


def clamped_share(track: EpisodeTrack, kinds: frozenset[ClampLimit]) -> tuple[float, Asked | None, str]:
    """Share of executed steps altered by any of some limits, the first such chunk, and the worst excess in words."""
    executed = sum(c.executed for c in track.chunks)
    if executed < MIN_STEPS:
        return 0.0, None, ""
    altered, first, worst = 0, None, {}
    for chunk in track.chunks:
        steps = frozenset().union(*(found for kind, found in chunk.clamped_steps.items() if kind in kinds))
        if not steps or not chunk.executed:
            continue
        altered += min(len(steps), chunk.executed)
        first = first or chunk
        for kind, amount in chunk.beyond.items():
            if kind in kinds:
                worst[kind] = max(worst.get(kind, 0.0), amount)
    words = ", ".join(f"{kind.name.lower()} by up to {amount:.3g} {UNITS[kind]}" for kind, amount in sorted(worst.items()))
    return altered / executed, first, words


UNITS = {
    ClampLimit.OTHER: "", ClampLimit.POSITION: "rad", ClampLimit.VELOCITY: "rad/s", ClampLimit.ACCELERATION: "rad/s^2",
    ClampLimit.JERK: "rad/s^3", ClampLimit.WORKSPACE: "m", ClampLimit.TOOL_SPEED: "m/s",
    ClampLimit.TOOL_ANGULAR_SPEED: "rad/s", ClampLimit.COLLISION: "m", ClampLimit.OPEN_LOOP: "s",
    ClampLimit.GRIPPER: "in its own unit", ClampLimit.REACH: "m",
}  # fmt: skip
"""Unit of a clamp's amount, as ChunkClamp.msg has it."""


def closed_on_nothing(track: EpisodeTrack) -> Iterator[Span]:
    """Where the gripper was told to close and stayed closed with nothing between its fingers for `EMPTY_NS`."""

    def empty(sample: Sample) -> bool:
        if sample.opening is None or sample.opening > EMPTY_OPENING or sample.held:
            return False
        return track.commands_closed(sample.t_ns) is not False

    return (span for span in spans(track, empty) if lasts(track, span, EMPTY_NS))


def way_left(track: EpisodeTrack) -> np.ndarray:
    """How far the task is from done at each sample, from ground truth [m]. Shape (samples,); NaN where nobody knows.

    Before the target is held: tool to target, and the way of the target to its goal as it lay first. While it is held: the
    way of the target to its goal. Falls on the way to success, in every task.
    """
    info = track.info
    out = np.full(len(track.samples), np.nan)
    first_way: float | None = None
    for index, sample in enumerate(track.samples):
        target = (sample.objects or {}).get(info.target)
        if target is None:
            continue
        way = _target_to_goal(target, (sample.objects or {}).get(info.destination or ""))
        first_way = way if first_way is None else first_way
        if sample.held == info.target:
            out[index] = min(way, first_way)
        elif sample.tool is not None:
            out[index] = max(first_way, way) + float(np.linalg.norm(sample.tool - target))
    return out


def _target_to_goal(target: np.ndarray, destination: np.ndarray | None) -> float:
    if destination is None:
        return max(0.0, PICK_HEIGHT_M - float(target[2]))
    return float(np.linalg.norm(target[:2] - destination[:2]))


def tool_to(sample: Sample, name: str) -> float | None:
    """Distance of the tool from an object [m], None where one of them is not known."""
    position = (sample.objects or {}).get(name)
    return None if position is None or sample.tool is None else float(np.linalg.norm(sample.tool - position))


def late_plans(track: EpisodeTrack) -> Finding | None:
    """TOO_SLOW from timing alone: plans refused as too old, half past on arrival, or too seldom to keep the arm moving."""
    chunks, info = track.chunks, track.info
    planned = [c for c in chunks if c.verdict not in (Verdict.BRAKE, Verdict.LOST)]
    if len(planned) < 3:
        return None
    old = [c for c in planned if c.verdict in (Verdict.STALE, Verdict.EXPIRED)]
    if len(old) >= LATE_SHARE * len(planned):
        return finding(
            track, Label.TOO_SLOW, old[0].stamp_ns, f"{len(old)} of {len(planned)} plans were refused as too old"
        )
    ran = [c for c in planned if c.executed]
    if len(ran) < 3:
        return None
    skipped = float(np.median([c.skipped for c in ran]))
    if skipped >= LATE_SHARE * info.horizon:
        late = next(c for c in ran if c.skipped >= LATE_SHARE * info.horizon)
        words = f"{skipped:g} of {info.horizon} steps of a plan were past when it arrived (median of {len(ran)} plans)"
        return finding(track, Label.TOO_SLOW, late.stamp_ns, words)
    step_ns = round(info.step_period_s * 1e9)
    waits = [max(0, after.stamp_ns - before.last_ns - step_ns) for before, after in zip(ran, ran[1:])]
    length = ran[-1].stamp_ns - ran[0].stamp_ns
    covered = 1.0 - sum(waits) / length if length > 0 else 1.0
    if covered < COVERED:
        longest = int(np.argmax(waits))
        words = f"steps for {covered:.0%} of the time only; the longest wait for the next plan was {waits[longest] / 1e9:.2f} s"
        return finding(track, Label.TOO_SLOW, ran[longest].last_ns, words)
    return None
