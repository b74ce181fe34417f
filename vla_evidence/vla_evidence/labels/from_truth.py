"""Labels from ground truth, one function a label. Each gives the first bad moment, or None."""

from __future__ import annotations

import numpy as np

from vla_contract.report import ClampLimit
from vla_evidence.labels.finding import (
    ADVANCE_M,
    AT_LIMIT,
    CLAMPED_BY_LIMITS,
    CLAMPED_BY_WORKSPACE,
    FALLEN_M,
    HELD_NS,
    LAST_NS,
    LET_GO_NS,
    LIFTED_M,
    NEAR_TARGET_M,
    OBJECT_OUTSIDE_M,
    OUTSIDE_M,
    OUTSIDE_NS,
    PROGRESS_M,
    STALL_NS,
    Finding,
    Label,
)
from vla_evidence.labels.moments import (
    beyond_limits,
    closed_on_nothing,
    finding,
    lasts,
    late_plans,
    of_any_arm,
    spans,
    tool_to,
    way_left,
)
from vla_evidence.labels.track import EpisodeTrack

WORKSPACE_KINDS = frozenset({ClampLimit.WORKSPACE, ClampLimit.REACH})
ARM_KINDS = frozenset(
    {
        ClampLimit.POSITION,
        ClampLimit.VELOCITY,
        ClampLimit.ACCELERATION,
        ClampLimit.JERK,
        ClampLimit.TOOL_SPEED,
        ClampLimit.TOOL_ANGULAR_SPEED,
        ClampLimit.COLLISION,
        ClampLimit.DELAY,
    }
)
"""What the arm's own body allows: how far and how fast it moves, and where its links would touch each other or the table.
Collisions are among them because a tool that is asked beyond the box is clamped by the box first: what is left is a pose that
the box allows, and the arm's posture does not."""


def viewpoint(track: EpisodeTrack, nominal_success: bool | None) -> Finding | None:
    """A camera was moved, and the same trial with the camera in its place is not known to have failed."""
    if "viewpoint" not in track.info.perturbation.lower() or nominal_success is False:
        return None
    paired = "the same trial succeeded without it" if nominal_success else "the trial without it was not run"
    return finding(
        track, Label.VIEWPOINT, track.start_ns, f"a camera was moved ({track.info.perturbation}); {paired}"
    )


def wrong_object(track: EpisodeTrack) -> Finding | None:
    """Another object held before the named one, or touched first where the named one was never held."""
    target = track.info.target
    if not target:
        return None
    holds = [s for s in spans(track, lambda s: bool(s.held)) if lasts(track, s, HELD_NS)]
    if holds and track.samples[holds[0].first].held != target:
        first = track.samples[holds[0].first]
        return finding(track, Label.WRONG_OBJECT, first.t_ns, f"held {first.held}, the instruction names {target}")
    if holds:
        return None
    touched = [s for s in track.samples if s.first_touched is not None]
    if not touched or touched[0].first_touched:
        return None  # before the run began
    for sample in touched:
        if sample.first_touched:
            if sample.first_touched == target:
                return None
            words = f"touched {sample.first_touched} first, the instruction names {target}"
            return finding(track, Label.WRONG_OBJECT, sample.t_ns, words)
    return None


def out_of_workspace(track: EpisodeTrack) -> Finding | None:
    """Most steps clamped by the box, a tool outside it for a while, or the named object where the tool may not go."""
    return steps_out(track) or of_any_arm(tool_out, track) or _target_out(track)


def steps_out(track: EpisodeTrack) -> Finding | None:
    """Most steps clamped by the box, or out of reach; or most plans refused for these."""
    return beyond_limits(track, Label.OUT_OF_WORKSPACE, WORKSPACE_KINDS, CLAMPED_BY_WORKSPACE, "outside the workspace")


def tool_out(track: EpisodeTrack) -> Finding | None:
    """The tool itself outside the box for `OUTSIDE_NS`, after it has been inside: where it begins is not the policy's doing."""
    low, high = np.array(track.info.workspace_min), np.array(track.info.workspace_max)

    def depth(tool: np.ndarray) -> float:
        return float(np.max([low - tool, tool - high]))

    inside = (k for k, s in enumerate(track.samples) if s.tool is not None and depth(s.tool) <= OUTSIDE_M)
    begin = next(inside, len(track.samples))
    for span in spans(track, lambda s: s.tool is not None and depth(s.tool) > OUTSIDE_M):
        if span.first > begin and lasts(track, span, OUTSIDE_NS):
            worst = max(depth(s.tool) for s in track.samples[span.first : span.last + 1])
            seconds = (track.samples[span.last].t_ns - track.samples[span.first].t_ns) / 1e9
            words = f"the tool was outside the workspace for {seconds:.1f} s, by up to {worst * 1000:.0f} mm"
            return finding(track, Label.OUT_OF_WORKSPACE, track.samples[span.first].t_ns, words)
    return None


def _target_out(track: EpisodeTrack) -> Finding | None:
    low, high = np.array(track.info.workspace_min[:2]), np.array(track.info.workspace_max[:2])
    name = track.info.target

    def reason(sample) -> str:
        position = (sample.objects or {}).get(name)
        if position is None or sample.held == name:
            return ""
        if position[2] < FALLEN_M:
            return f"{name} fell off the table"
        depth = float(np.max([low - position[:2], position[:2] - high]))
        return f"{name} lay {depth * 1000:.0f} mm outside the workspace" if depth > OBJECT_OUTSIDE_M else ""

    known = [s for s in track.samples if s.objects]
    if not known or not reason(known[-1]):
        return None
    last = known[-1]
    begin = spans(track, lambda s: bool(reason(s)))[-1].first
    return finding(track, Label.OUT_OF_WORKSPACE, track.samples[begin].t_ns, reason(last))


def limits_ignored(track: EpisodeTrack) -> Finding | None:
    """A large share of steps asked for what the arm itself cannot or must not do; or most plans were refused for that."""
    return beyond_limits(track, Label.LIMITS_IGNORED, ARM_KINDS, CLAMPED_BY_LIMITS, "beyond the limits of the arm")


def dropped(track: EpisodeTrack) -> Finding | None:
    """The named object was held and lifted, and its last hold ended, short of the goal and not taken up again."""
    target = track.info.target
    # A bag's first and last samples may lie outside the time of its ground truth.
    where = {k: s.objects[target] for k, s in enumerate(track.samples) if target in (s.objects or {})}
    holds = [s for s in _steady_holds(track, target) if lasts(track, s, HELD_NS)]
    if not target or not where or not holds or holds[-1].last == max(where):
        return None
    hold = holds[-1]
    end, last = track.samples[hold.last], track.samples[max(where)]
    if last.t_ns - end.t_ns < LET_GO_NS or any(s.done for s in track.samples[hold.last :]):
        return None
    lifted = max(float(p[2]) for k, p in where.items() if hold.first <= k <= hold.last) - float(where[min(where)][2])
    if lifted < LIFTED_M:
        return None
    words = f"{target} was held, lifted {lifted * 100:.1f} cm and let go"
    if track.info.destination and last.goal_m is not None:
        words += f"; it ended {last.goal_m * 100:.1f} cm from the {track.info.destination}"
    return finding(track, Label.DROPPED, end.t_ns, words)


def _steady_holds(track: EpisodeTrack, target: str) -> list:
    """Holds of the target; breaks shorter than `LET_GO_NS` are flicker of the contacts."""
    joined: list = []
    for span in spans(track, lambda s: s.held == target):
        if joined and track.samples[span.first].t_ns - track.samples[joined[-1].last].t_ns < LET_GO_NS:
            joined[-1] = joined[-1]._replace(last=span.last)
        else:
            joined.append(span)
    return joined


def missed_grasp(track: EpisodeTrack) -> Finding | None:
    """A hand closed on nothing near the named object, which none ever held."""
    return of_any_arm(_missed, track)


def _missed(track: EpisodeTrack) -> Finding | None:
    target = track.info.target
    if any(lasts(track, s, HELD_NS) for s in _steady_holds(track, target)):
        return None
    for span in closed_on_nothing(track):
        sample = track.samples[span.first]
        gap = tool_to(sample, target)
        if gap is None or gap <= NEAR_TARGET_M:
            where = "" if gap is None else f", {gap * 100:.1f} cm from the middle of {target}"
            words = f"the gripper closed to {sample.opening:.0%} of its opening with nothing in it{where}"
            return finding(track, Label.MISSED_GRASP, sample.t_ns, words)
    return None


def too_slow(track: EpisodeTrack) -> Finding | None:
    """Plans came too late or too seldom, or the time limit came while the task advanced."""
    return late_plans(track) or _advancing_at_the_limit(track)


def _advancing_at_the_limit(track: EpisodeTrack) -> Finding | None:
    limit = track.info.time_limit_s
    if limit is None or (track.end_ns - track.start_ns) / 1e9 < AT_LIMIT * limit:
        return None
    best = np.fmin.accumulate(way_left(track))
    times = np.array([s.t_ns for s in track.samples])
    begin = max(1, int(np.searchsorted(times, track.end_ns - LAST_NS)))
    if begin >= len(best):
        return None
    advance = best[begin - 1] - best[-1]
    if not advance >= ADVANCE_M:
        return None
    words = (
        f"the time limit of {limit:g} s came while the task advanced: {advance * 100:.0f} cm in the last "
        f"{(track.end_ns - times[begin - 1]) / 1e9:.1f} s, {best[-1] * 100:.0f} cm were left"
    )
    return finding(track, Label.TOO_SLOW, track.end_ns, words)


def no_progress(track: EpisodeTrack) -> Finding | None:
    """The way that was left got no shorter for `STALL_NS` up to the end."""
    way = way_left(track)
    if not np.isfinite(way).any():
        return None
    best, since = np.inf, track.start_ns
    for sample, left in zip(track.samples, way, strict=True):
        if left < best - PROGRESS_M:
            best, since = left, sample.t_ns
    if track.end_ns - since < STALL_NS:
        return None
    words = f"nothing came nearer for the last {(track.end_ns - since) / 1e9:.1f} s; {best * 100:.0f} cm were left"
    return finding(track, Label.NO_PROGRESS, since, words)
