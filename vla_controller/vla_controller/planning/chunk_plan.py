"""A chunk becomes knots: wanted positions, smoothing, check along the curve, and giving way where that fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Clamp
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.arm import Arm, Request, Wanted
from vla_controller.planning.braking import Stops
from vla_controller.planning.effort import Effort
from vla_controller.planning.limits import Violation, check_curve
from vla_controller.planning.planner import smooth, smooth_within_limits
from vla_controller.planning.smoothing import Smoothing
from vla_controller.planning.timeline import Timeline

_BRAKE_KNOTS = 4
_ATTEMPTS = 12
NOTICEABLE = 2e-3  # [rad] about a millimetre at the tool


@dataclass(frozen=True)
class ChunkPlan:
    """Knots (M) after the splice and what they make of the chunk.

    times_ns (M,) int64; q, v, a (M, J) over all joints. planned_actions (H, D): what the curve does at the steps.
    anchor: as in ChunkReport, the arms one after the other. clamps in order of steps. attempts: how many curves were tried.
    gave_way: a limit made it another one than smoothing alone would have, or kept a step from where it was asked.
    reason: the worst that it would have broken.
    """

    times_ns: np.ndarray
    q: np.ndarray
    v: np.ndarray
    a: np.ndarray
    planned_actions: np.ndarray
    anchor: tuple[float, ...]
    clamps: tuple[Clamp, ...]
    attempts: int
    gave_way: bool = False
    reason: Violation | None = None


def make_requests(arms: Sequence[Arm], timeline: Timeline, chunk: ActionChunk, schedule: Schedule) -> list[Request]:
    """What the chunk asks of each arm, absolute."""
    if schedule.at_rest:
        observed_ns = before_ns = schedule.splice_ns
    else:
        observed_ns, before_ns = chunk.stamp_ns, int(schedule.due_ns[schedule.first]) - schedule.period_ns
    # At once: a sample of the motion is mostly the call itself.
    instants = np.concatenate([[observed_ns, before_ns, schedule.splice_ns], schedule.knots_ns])
    q = timeline.sample(instants)[0]
    q_commanded, q_before, q_start, q_running = q[0], q[1], q[2], q[3:]
    observed = chunk.reference_positions if chunk.action_space.is_relative else None
    return [
        arm.request(
            chunk.action_space, chunk.actions[:, arm.columns], schedule, q_start[arm.joints], q_commanded[arm.joints],
            None if observed is None else observed[arm.joints], q_before[arm.joints], q_running[:, arm.joints],
        )
        for arm in arms
    ]  # fmt: skip


def plan_chunk(
    arms: Sequence[Arm], requests: Sequence[Request], timeline: Timeline, chunk: ActionChunk, schedule: Schedule,
    smoothing: Smoothing,
) -> ChunkPlan | Violation:
    """Follows the requests as closely as the limits allow, from the motion under way to rest.

    Returns the last violation where no curve within the limits was found.
    """
    start = timeline.sample(schedule.splice_ns)
    knots = schedule.knots_ns
    effort = Effort.full(len(knots), *smoothing.weights(schedule.period_ns * 1e-9), schedule.rest_by_ns - int(knots[-1]))
    wanted: list[Wanted] = []
    shaped_by = None
    reasons: list[Violation] = []
    first_try: np.ndarray | None = None
    first_wanted: list[Wanted] = []
    limits = [
        np.concatenate([getattr(request.limits, name) for request in requests])
        for name in ("velocity", "acceleration", "jerk")
    ]
    for attempt in range(1, _ATTEMPTS + 1):
        if shaped_by != (effort.inset, effort.joint_margin, effort.share):
            shaped_by = (effort.inset, effort.joint_margin, effort.share)
            wanted = [arm.wanted(request, effort) for arm, request in zip(arms, requests)]
        shaped = wanted if effort.scale == 1.0 else _scaled(arms, requests, wanted, schedule, start, effort.scale)
        edges = np.concatenate([[schedule.splice_ns], knots, brake_times(knots, effort)])
        times, intervals, through = edges[1:], edges[1:] - edges[:-1], np.hstack([w.q for w in shaped])
        q, v, a, rounds = smooth_within_limits(start, intervals, through, effort.weights, *limits)
        if rounds and first_try is None:
            unlimited = smooth(start, intervals, through, effort.weights)
            first_try, first_wanted = unlimited[0][: len(knots)], shaped
            if reason := check(arms, requests, start, edges, *unlimited):
                reasons.append(reason)
        elif first_try is None:
            first_try, first_wanted = q[: len(knots)], shaped
        violation = check(arms, requests, start, edges, q, v, a)
        if violation is None:
            clamps = [clamp for w in shaped for clamp in w.clamps]
            gave_way = bool(reasons or clamps)
            if reasons:
                clamps += _altered(schedule, q[: len(knots)] - first_try, reasons, clamps)
            clamps += smoothing.clamps(arms, schedule, first_wanted, first_try)
            clamps += cut_off(schedule, chunk)
            anchor = tuple(x for request in requests for x in request.anchor)
            clamps = tuple(sorted(clamps, key=lambda c: c.step))
            done = columns_of(arms, chunk, requests, q[: len(knots)])
            return ChunkPlan(times, q, v, a, done, anchor, clamps, attempt, gave_way, worst_of(reasons) if reasons else None)
        reasons.append(violation)
        softer = effort.yielding(violation)
        if softer is None:
            break
        effort = softer
    return reasons[-1]


def cut_off(schedule: Schedule, chunk: ActionChunk) -> list[Clamp]:
    """Of the steps that come after the deadline."""
    return [
        Clamp(step, "open_loop", float(schedule.due_ns[step] - schedule.deadline_ns) * 1e-9)
        for step in range(schedule.last, chunk.horizon)
    ]


def brake_times(knots: np.ndarray, effort: Effort) -> np.ndarray:
    """Knots of the stop behind these [ns]."""
    return knots[-1] + np.arange(1, _BRAKE_KNOTS + 1, dtype=np.int64) * (effort.brake_ns // _BRAKE_KNOTS)


def check(arms, requests, start, times, q, v, a) -> Violation | None:
    """The first arm's worst violation along the new curve; times: of the start, too."""
    q, v, a = (np.concatenate([s[None], x]) for s, x in zip(start, (q, v, a)))
    for arm, request in zip(arms, requests):
        J = arm.joints
        violation = check_curve(request.limits, arm.model, times, q[:, J], v[:, J], a[:, J], arm.collision)
        if violation is not None:
            return violation
    return None


def _scaled(arms, requests, wanted, schedule, start, scale) -> list[Wanted]:
    """Targets drawn toward a plain stop from the present state."""
    scaled = []
    for arm, request, wish in zip(arms, requests, wanted):
        q, v, a = (x[arm.joints] for x in start)
        stop = Stops(q, v, a, request.limits.acceleration, request.limits.jerk)[0]
        ramp = Timeline(
            np.array([schedule.splice_ns, schedule.splice_ns + stop.duration_ns]),
            np.stack([q, stop.q_end]),
            np.stack([v, np.zeros_like(v)]),
            np.stack([a, np.zeros_like(a)]),
        )
        stopping = ramp.sample(schedule.knots_ns)[0]
        scaled.append(replace(wish, q=stopping + scale * (wish.q - stopping)))
    return scaled


def _altered(schedule: Schedule, off: np.ndarray, reasons: list[Violation], clamps: list[Clamp]) -> list[Clamp]:
    """A clamp, with the worst reason, for each step that gave way noticeably and has none of its own.

    off (K, J) [rad]: from the plan that would have been, had there been no limits, to the one that is.
    """
    worst = worst_of(reasons)
    known = {clamp.step for clamp in clamps}
    steps = schedule.first + np.flatnonzero(np.abs(off).max(axis=1) > NOTICEABLE)
    return [Clamp(int(step), worst.limit, worst.amount) for step in steps if step not in known]


def worst_of(reasons: list[Violation]) -> Violation:
    """A contact before all others."""
    contacts = [violation for violation in reasons if violation.kind == "collision"]
    return max(contacts or reasons, key=lambda violation: violation.ratio)


def columns_of(arms: Sequence[Arm], chunk: ActionChunk, requests: Sequence[Request], q: np.ndarray) -> np.ndarray:
    """The chunk's actions (H, D) as they are done, all arms at the planned steps at q (K, J) [rad]."""
    done = np.array(chunk.actions)
    for arm, request in zip(arms, requests):
        done[:, arm.columns] = arm.done(request, q[:, arm.joints])
    return done
