"""Labels from what a real robot's bag has: reports, joint states, the gripper and the view. One function a label.

Nobody knows here what the objects did, so that a rule speaks only where the robot's own signals leave little else to think.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vla_evidence.labels.finding import (
    EMPTY_OPENING,
    FULL_OPENING,
    GRIPPED_NS,
    SAME_OPENING,
    STALL_NS,
    STILL_RAD,
    Finding,
    Label,
)
from vla_evidence.labels.moments import Span, closed_on_nothing, finding, lasts, spans
from vla_evidence.labels.track import EpisodeTrack, Sample
from vla_evidence.labels.view import VIEW_SHIFT


def viewpoint(track: EpisodeTrack, views: Mapping[str, float]) -> Finding | None:
    """A camera's first image of the episode is shifted against the reference view.

    Args:
        views: Shift by camera, as share of the width; see `view.ReferenceView`.
    """
    for camera, shift in views.items():
        if shift >= VIEW_SHIFT:
            words = f"camera {camera}: its surroundings are shifted by {shift:.0%} of the width; {VIEW_SHIFT:.0%} is allowed"
            return finding(track, Label.VIEWPOINT, track.start_ns, words)
    return None


def dropped(track: EpisodeTrack) -> Finding | None:
    """The last thing that the gripper held slipped out: it closed entirely while it was commanded to stay closed."""
    holds = gripped(track)
    if not holds:
        return None
    last = track.samples[holds[-1].last]
    # However slowly: had the fingers stopped on something else on their way, that would be the last hold.
    for sample in track.samples[holds[-1].last + 1 :]:
        if not track.commands_closed(sample.t_ns):
            return None
        if sample.opening is not None and sample.opening <= EMPTY_OPENING:
            words = f"the closed gripper went from {last.opening:.0%} to {sample.opening:.0%} of its opening"
            return finding(track, Label.DROPPED, sample.t_ns, words)
    return None


def missed_grasp(track: EpisodeTrack) -> Finding | None:
    """The gripper closed on nothing, and held nothing in the whole run."""
    empty = next(closed_on_nothing(track), None)
    if empty is None or gripped(track):
        return None
    sample = track.samples[empty.first]
    words = f"the gripper closed to {sample.opening:.0%} of its opening, and never held anything"
    return finding(track, Label.MISSED_GRASP, sample.t_ns, words)


def no_progress(track: EpisodeTrack) -> Finding | None:
    """All arms stood still for `STALL_NS` before a gripper had been commanded to close for the first time.

    Where no arm has a gripper, nothing tells when the task was done: then only arms that never moved made no progress.
    """
    arms = track.each_arm
    known: list[tuple[int, np.ndarray]] = []
    for each in zip(*(arm.samples for arm in arms), strict=True):
        if all(s.joints is not None and s.joints.size for s in each):
            known.append((each[0].t_ns, np.concatenate([s.joints for s in each])))
    begin = 0
    for index, (t_ns, _) in enumerate(known):
        if any(arm.commands_closed(t_ns) for arm in arms):
            return None
        while begin < index and np.ptp([joints for _, joints in known[begin : index + 1]], axis=0).max() > STILL_RAD:
            begin += 1
        if begin and not any(arm.info.gripper_joint for arm in arms):
            return None
        still_ns = t_ns - known[begin][0]
        if still_ns >= STALL_NS:
            words = f"no joint moved by more than {STILL_RAD} rad for {still_ns / 1e9:.1f} s, and no gripper had closed yet"
            return finding(track, Label.NO_PROGRESS, known[begin][0], words)
    return None


def gripped(track: EpisodeTrack) -> list[Span]:
    """Where the gripper was commanded to close and stood open between empty and full for `GRIPPED_NS`: it holds something."""

    def partly(sample: Sample) -> bool:
        return (
            sample.opening is not None
            and EMPTY_OPENING < sample.opening < FULL_OPENING
            and track.commands_closed(sample.t_ns) is True
        )

    found = []
    for span in spans(track, partly):
        # Fingers on their way pass the same openings: what is held keeps them where they are.
        begin = span.first
        for index in range(span.first, span.last + 2):
            if index <= span.last and abs(track.samples[index].opening - track.samples[begin].opening) <= SAME_OPENING:
                continue
            if lasts(track, Span(begin, index - 1), GRIPPED_NS):
                found.append(Span(begin, index - 1))
            begin = index
    return found
