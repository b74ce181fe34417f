"""A chunk that asks an arm at rest for one place: there along the straight line of joints, as soon as the limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Clamp
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.arm import Arm, Request
from vla_controller.planning.chunk_plan import NOTICEABLE, ChunkPlan, check, columns_of, cut_off
from vla_controller.planning.effort import BRAKES_NS, Effort
from vla_controller.planning.limits import Violation
from vla_controller.planning.profile import Profile
from vla_controller.planning.timeline import CLOSEST_KNOTS_NS, Timeline
from vla_controller.planning.ways_to_rest import State

_SHARE = 0.995  # of each limit: rounding stays inside
_SAME, _SAME_GOAL = 1e-9, 1e-4  # [rad] apart
_ONE_PLACE = 0.01  # of the way there: so far steps may be apart, as numbers of a network are
_ATTEMPTS = 8


@dataclass(frozen=True)
class _Way:
    """Knots (M) after the splice, to rest: times_ns (M,) int64; q, v, a (M, J). start: the state at the splice."""

    start: State
    times_ns: np.ndarray
    q: np.ndarray
    v: np.ndarray
    a: np.ndarray

    def at(self, splice_ns: int, times_ns: np.ndarray) -> np.ndarray:
        """Positions (N, J) at times_ns (N,); before the splice those there."""
        knots = [np.concatenate([own[None], rest]) for own, rest in zip(self.start, (self.q, self.v, self.a))]
        return Timeline(np.append(splice_ns, self.times_ns), *knots).sample(np.maximum(times_ns, splice_ns))[0]


def plan_straight(
    arms: Sequence[Arm], requests: Sequence[Request], timeline: Timeline, chunk: ActionChunk, schedule: Schedule, *,
    may_go_on: bool = True,
) -> ChunkPlan | None:  # fmt: skip
    """The plan, or None: the chunk asks for more than one place, or for poses, or this way is not free or not in time.

    From rest it arrives when the first step is due, or as soon after that as the limits allow, be it after the last step. A
    motion under way that ends in this place goes on as it is, if it may: it is of the speed scale that holds now. Steps that are
    due before the arrival are clamped by ``delay``.
    """
    if any(request.targets.q is None for request in requests):
        return None
    wish = np.hstack([request.targets.q for request in requests])[schedule.planned]
    way = np.abs(wish[-1] - timeline.sample(schedule.splice_ns)[0]).max()
    if np.ptp(wish, axis=0).max() > max(_SAME, min(_ONE_PLACE * way, NOTICEABLE)):
        return None
    ranges = [arm.range_of(request.q_before, Effort.joint_margin) for arm, request in zip(arms, requests)]
    goal = np.clip(wish[-1], *(np.concatenate(bounds) for bounds in zip(*ranges)))
    if schedule.at_rest:
        way = _from_rest(arms, requests, timeline, schedule, goal)
    else:
        way = _under_way(timeline, schedule, goal) if may_go_on else None
    if way is None or way.times_ns[-1] > _latest_ns(schedule) or _violation(arms, requests, schedule, way) is not None:
        return None
    due = way.at(schedule.splice_ns, schedule.due_ns[schedule.planned])
    clamps = [
        *_outside(arms, schedule, np.abs(wish[-1] - goal)), *_late(schedule, due, goal, int(way.times_ns[-1])),
        *cut_off(schedule, chunk),
    ]  # fmt: skip
    anchor = tuple(x for request in requests for x in request.anchor)
    clamps = tuple(sorted(clamps, key=lambda clamp: clamp.step))
    return ChunkPlan(way.times_ns, way.q, way.v, way.a, columns_of(arms, chunk, requests, due), anchor, clamps, 1)


def _latest_ns(schedule: Schedule) -> int:
    """When the arm has to be at rest: by the open-loop limit, and as soon after the last step as it may take to stop."""
    return min(schedule.rest_by_ns, schedule.deadline_ns + BRAKES_NS[-1])


def _violation(arms, requests, schedule: Schedule, way: _Way) -> Violation | None:
    return check(arms, requests, way.start, np.append(schedule.splice_ns, way.times_ns), way.q, way.v, way.a)


def _under_way(timeline: Timeline, schedule: Schedule, goal: np.ndarray) -> _Way | None:
    """The rest of the motion under way, where it ends at the goal."""
    if np.abs(timeline.q[-1] - goal).max() > _SAME_GOAL:
        return None
    left = slice(int(np.searchsorted(timeline.times_ns, schedule.splice_ns + CLOSEST_KNOTS_NS)), None)
    if left.start == len(timeline.times_ns):
        return None
    knots = (getattr(timeline, name)[left] for name in ("times_ns", "q", "v", "a"))
    return _Way(timeline.sample(schedule.splice_ns), *knots)


def _from_rest(arms, requests, timeline: Timeline, schedule: Schedule, goal: np.ndarray) -> _Way | None:
    """All joints together, so fast that the limits of the tool allow it too."""
    q0 = timeline.sample(schedule.splice_ns)[0]
    way = goal - q0
    if np.abs(way).max() < _SAME:
        return None
    names = ("velocity", "acceleration", "jerk")
    limits = [_SHARE * np.concatenate([getattr(request.limits, name) for request in requests]) for name in names]
    with np.errstate(divide="ignore"):
        velocity, acceleration, jerk = (float(np.min(limit / np.abs(way))) for limit in limits)
    start = q0, np.zeros_like(q0), np.zeros_like(q0)
    for _ in range(_ATTEMPTS):
        profile = Profile.fastest(velocity, acceleration, jerk)
        profile = profile.lasting(max(profile.seconds / schedule.speed_scale, schedule.period_ns * 1e-9))
        if schedule.splice_ns + profile.seconds * 1e9 > _latest_ns(schedule):
            return None
        times, states = _knots(profile)
        q, v, a = (part[:, None] * way for part in states)
        found = _Way(start, schedule.splice_ns + times, q0 + q, v, a)
        violation = _violation(arms, requests, schedule, found)
        if violation is None or not violation.kind.startswith("tool"):
            return found
        velocity = profile.peak / (1.001 + violation.ratio)
    return None


def _knots(profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the phases (M,) [ns] from the start, and the states there (3, M). Phases too short for a knot go to the next."""
    ends = np.round(np.cumsum(profile.phases) * 1e9).astype(np.int64)
    kept, before = [], 0
    for end in ends[:-1]:
        if end - before >= CLOSEST_KNOTS_NS and ends[-1] - end >= CLOSEST_KNOTS_NS:
            kept.append(end)
            before = end
    times = np.array([*kept, ends[-1]], dtype=np.int64)
    states = profile.sample(times * 1e-9)
    states[:, -1] = 1.0, 0.0, 0.0
    return times, states


def _outside(arms: Sequence[Arm], schedule: Schedule, beyond: np.ndarray) -> list[Clamp]:
    """Of all planned steps; beyond (J,) [rad]: how far the place lies outside of each joint's range."""
    joints = [joint for arm in arms for joint in arm.model.joints]
    steps = range(schedule.planned.start, schedule.planned.stop)
    return [Clamp(k, f"position {joints[j]}", float(beyond[j])) for k in steps for j in np.flatnonzero(beyond > 0.0)]


def _late(schedule: Schedule, due: np.ndarray, goal: np.ndarray, arrival_ns: int) -> list[Clamp]:
    steps = schedule.first + np.flatnonzero(np.abs(due - goal).max(axis=1) > NOTICEABLE)
    return [Clamp(int(step), "delay", (arrival_ns - int(schedule.due_ns[step])) * 1e-9) for step in steps]
