"""Failure labels of an episode: from ground truth in simulation, and by rules from bags of real robots.

Where several fit, the one that comes first in `Label` counts: it explains the others. How each is decided, and
what fools it: docs/reference/evidence_rows.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from vla_evidence.labels import from_rules as rules
from vla_evidence.labels import from_truth as truth
from vla_evidence.labels.finding import Finding, Label
from vla_evidence.labels.moments import late_plans, of_any_arm
from vla_evidence.labels.track import EpisodeTrack, TrackError

__all__ = ["Finding", "Label", "findings_by_rules", "findings_from_truth", "label_rules", "label_truth"]


def findings_from_truth(track: EpisodeTrack, *, nominal_success: bool | None = None) -> list[Finding]:
    """Every label that fits, the one that counts first. None of them where the episode succeeded, or nobody knows.

    Args:
        track: Finished, with samples from a simulator.
        nominal_success: How the same trial ended without its perturbation; None: it was not run.

    Raises:
        TrackError: The track has no samples, or was not finished.
    """
    _check(track)
    if track.success is not False or not track.truth:
        return []
    found = (
        truth.viewpoint(track, nominal_success),
        truth.wrong_object(track),
        truth.out_of_workspace(track),
        truth.limits_ignored(track),
        truth.dropped(track),
        truth.missed_grasp(track),
        truth.too_slow(track),
        truth.no_progress(track),
    )
    return [f for f in found if f is not None]


def findings_by_rules(track: EpisodeTrack, *, views: Mapping[str, float] | None = None) -> list[Finding]:
    """Every label that the robot's own signals show, the one that counts first. WRONG_OBJECT is never among them.

    The outcome may be unknown; where it is known to be a success there are no labels.

    Args:
        track: Finished.
        views: Shift of each camera's first image against its reference view, see `view.ReferenceView`.

    Raises:
        TrackError: The track has no samples, or was not finished.
    """
    _check(track)
    if track.success:
        return []
    found = (
        rules.viewpoint(track, views or {}),
        truth.steps_out(track) or of_any_arm(truth.tool_out, track),
        truth.limits_ignored(track),
        of_any_arm(rules.dropped, track),
        of_any_arm(rules.missed_grasp, track),
        late_plans(track),
        rules.no_progress(track),
    )
    return [f for f in found if f is not None]


def label_truth(track: EpisodeTrack, *, nominal_success: bool | None = None) -> Finding | None:
    """The label that counts, from ground truth; see `findings_from_truth`."""
    return next(iter(findings_from_truth(track, nominal_success=nominal_success)), None)


def label_rules(track: EpisodeTrack, *, views: Mapping[str, float] | None = None) -> Finding | None:
    """The label that counts, by rules; see `findings_by_rules`."""
    return next(iter(findings_by_rules(track, views=views)), None)


def _check(track: EpisodeTrack) -> None:
    if track.end_ns < track.start_ns:
        raise TrackError(f"the track was not finished: it begins at {track.start_ns} ns and ends at {track.end_ns} ns")
