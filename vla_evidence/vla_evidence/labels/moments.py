"""Facts that labels are built on, taken from a track: clamped shares, holds, attempts to grasp, the way that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vla_contract.report import ClampLimit
from vla_evidence.labels.asked import Asked
from vla_evidence.labels.finding import (
    COVERED,
    EMPTY_NS,
    EMPTY_OPENING,
    LATE_SHARE,
    MIN_PLANS,
    MIN_STEPS,
    REFUSED_BY_LIMIT,
    Finding,
    Label,
)
from vla_evidence.labels.track import EpisodeTrack, Sample


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


def of_any_arm(rule: Callable[[EpisodeTrack], Finding | None], track: EpisodeTrack) -> Finding | None:
    """The earliest finding of a rule about one arm, in all arms' tracks. Names the arm where there are several."""
    found = [(f.stamp_ns, k, f) for k, arm in enumerate(track.each_arm) if (f := rule(arm)) is not None]
    if not found:
        return None
    _, k, first = min(found)
    return replace(first, words=f"arm {track.each_arm[k].info.arm}: {first.words}") if track.others else first


def beyond_limits(track: EpisodeTrack, label: Label, kinds: frozenset[ClampLimit], at_least: float, what: str) -> Finding | None:
    """Where a share of the executed steps was altered by some limits, or most plans were refused whole for them.

    Args:
        at_least: The share of steps.
        what: What the steps asked for, in words.
    """
    share, first, worst = clamped_share(track, kinds)
    if first is not None and share >= at_least:
        return Finding(label, first.stamp_ns, first.sequence, f"{share:.0%} of steps were asked {what}: {worst}")
    plans = [c for c in track.chunks if c.planned]
    refused = [c for c in plans if c.refused_kind() in kinds]
    if len(plans) < MIN_PLANS or len(refused) < REFUSED_BY_LIMIT * len(plans):
        return None
    words = f"{len(refused)} of {len(plans)} plans were refused: {refused[0].refused_for}"
    return Finding(label, refused[0].stamp_ns, refused[0].sequence, words)


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
    ClampLimit.GRIPPER: "in its own unit", ClampLimit.REACH: "m", ClampLimit.DELAY: "s",
    ClampLimit.SMOOTHING_POSITION: "m", ClampLimit.SMOOTHING_ANGLE: "rad",
}  # fmt: skip
"""Unit of a clamp's amount, as ChunkClamp.msg has it."""


def closed_on_nothing(track: EpisodeTrack) -> Iterator[Span]:
    """Where the gripper, commanded to open, had opened, and then, commanded to close, stayed closed with nothing between its
    fingers for `EMPTY_NS`. Fingers that were never open tried no grasp: some tasks are done with closed ones."""

    def empty(sample: Sample) -> bool:
        if sample.opening is None or sample.opening > EMPTY_OPENING or sample.held:
            return False
        return track.commands_closed(sample.t_ns) is True

    def opened(sample: Sample) -> bool:
        known = sample.opening is not None and sample.opening > EMPTY_OPENING
        return known and track.commands_closed(sample.t_ns) is False

    begin = next((k for k, sample in enumerate(track.samples) if opened(sample)), len(track.samples))
    return (span for span in spans(track, empty) if span.first > begin and lasts(track, span, EMPTY_NS))


def way_left(track: EpisodeTrack) -> np.ndarray:
    """How far the task is from done at each sample, from ground truth [m]. Shape (samples,); NaN where nobody knows.

    Before the target is held: the nearest tool to the target, and the way of the target to its goal as it lay first. While it
    is held: the way of the target to its goal. Falls on the way to success, in every task.
    """
    info = track.info
    out = np.full(len(track.samples), np.nan)
    first_way: float | None = None
    for index, sample in enumerate(track.samples):
        way = sample.goal_m
        if way is None:
            continue
        first_way = way if first_way is None else first_way
        if sample.held == info.target:
            out[index] = min(way, first_way)
        else:
            gaps = [tool_to(arm.samples[index], info.target) for arm in track.each_arm]
            if None not in gaps:
                out[index] = max(first_way, way) + min(gaps)
    return out


def tool_to(sample: Sample, name: str) -> float | None:
    """Distance of the tool from an object [m], None where one of them is not known."""
    position = (sample.objects or {}).get(name)
    return None if position is None or sample.tool is None else float(np.linalg.norm(sample.tool - position))


def late_plans(track: EpisodeTrack) -> Finding | None:
    """TOO_SLOW from timing alone: plans refused as too old, half past on arrival, or too seldom to keep the arm moving."""
    chunks, info = track.chunks, track.info
    planned = [c for c in chunks if c.planned]
    if len(planned) < MIN_PLANS:
        return None
    old = [c for c in planned if c.too_old]
    if len(old) >= LATE_SHARE * len(planned):
        return finding(
            track, Label.TOO_SLOW, old[0].stamp_ns, f"{len(old)} of {len(planned)} plans were refused as too old"
        )
    ran = [c for c in planned if c.executed]
    if len(ran) < MIN_PLANS:
        return None
    skipped = float(np.median([c.skipped for c in ran]))
    if skipped >= LATE_SHARE * info.horizon:
        late = next(c for c in ran if c.skipped >= LATE_SHARE * info.horizon)
        words = f"{skipped:g} of {info.horizon} steps of a plan were past when it arrived (median of {len(ran)} plans)"
        return finding(track, Label.TOO_SLOW, late.stamp_ns, words)
    step_ns = round(info.step_period_s * 1e9)
    # What was refused for another reason than its age (a stop, a limit) was not waited for: it counts as if it had run.
    moved = [(c.stamp_ns, c.last_ns) for c in ran]
    moved += [(c.stamp_ns, c.stamp_ns + info.horizon * step_ns) for c in planned if c.turned_away]
    waits, until = [], ran[0].stamp_ns
    for begin, end in sorted(moved):
        waits.append((begin - until - step_ns, until))
        until = max(until, end)
    waits = [(wait, since) for wait, since in waits if wait > 0 and ran[0].stamp_ns <= since < ran[-1].stamp_ns]
    length = ran[-1].stamp_ns - ran[0].stamp_ns
    covered = 1.0 - sum(wait for wait, _ in waits) / length if length > 0 else 1.0
    if covered < COVERED:
        wait, since = max(waits)
        words = f"steps for {covered:.0%} of the time only; the longest wait for the next plan was {wait / 1e9:.2f} s"
        return finding(track, Label.TOO_SLOW, since, words)
    return None
