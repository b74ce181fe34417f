"""All arms of a card, on one timeline, and the messages that carry it to their controllers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_motion.trajectory import JointTrajectory

from .arm import Arm
from .braking import Segment, brake, rest_to_rest_duration
from .joint_states import JointStates
from .limits import check_curve
from .timeline import CLOSEST_KNOTS_NS, Timeline

_DISPLACED = 0.02  # [rad] more than an arm sags
_SETTLED_NS = 300_000_000
_BRAKE_CANDIDATES = 8
# Under the splice rule the last stretch of the old motion before a splice is one control period shorter than planned
_SPLICE_CLOSEST_NS = 40_000_000
_HOME_SHARE = 0.25
_HOME_SHORTEST = 0.5  # [s]


class Cell:
    """The commanded motion of all joints, arm after arm.

    timeline: None before the first command. splice_ns: when the newest part of it takes over. braking:
    that part is a stop.
    """

    def __init__(self, arms: Sequence[Arm], margin_ns: int, brake_margin_ns: int) -> None:
        self.arms = list(arms)
        self.joint_names = tuple(joint for arm in arms for joint in arm.card.joints)
        self.tolerance = np.concatenate(
            [np.full(len(arm.card.joints), arm.card.limits.tracking_tolerance) for arm in arms]
        )
        self.timeline: Timeline | None = None
        self.splice_ns = 0
        self.braking = False
        self._margin_ns = margin_ns
        self._brake_margin_ns = min(margin_ns, brake_margin_ns)
        splice = any(arm.card.replacement_rule == "splice" for arm in arms)
        self._closest_ns = _SPLICE_CLOSEST_NS if splice else CLOSEST_KNOTS_NS
        self._acceleration = np.concatenate([arm.limits.acceleration for arm in arms])
        self._jerk = np.concatenate([arm.limits.jerk for arm in arms])

    def moving(self, now_ns: int) -> bool:
        """A commanded motion is under way, or about to be."""
        return self.timeline is not None and now_ns < self.timeline.end_ns

    def is_displaced(self, now_ns: int, states: JointStates) -> bool:
        """The motion has ended, and something else has moved the arm since."""
        if now_ns < self.timeline.end_ns + _SETTLED_NS or not states.at_rest:
            return False
        return bool(np.max(np.abs(self.timeline.sample(now_ns)[0] - states.positions)) > _DISPLACED)

    def rest_at(self, now_ns: int, q: np.ndarray) -> None:
        """Commanded to stand at q (J,) [rad]."""
        self.timeline = Timeline.resting(now_ns, q)

    def forget(self) -> None:
        """As before the first command."""
        self.timeline = None

    def splice_instant(self, t_ns: int) -> int:
        """The first instant from t_ns on at which a new motion may take over."""
        return self.timeline.splice_instant(t_ns, self._closest_ns)

    def splice(
        self, now_ns: int, splice_ns: int, times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray
    ) -> None:
        """From splice_ns on the motion goes through these knots, each array (M, ...), to rest."""
        self.timeline = self.timeline.spliced(now_ns, splice_ns, times_ns, q, v, a)
        self.splice_ns = splice_ns
        self.braking = False

    def brake(self, now_ns: int) -> bool:
        """Takes the shortest way to rest within the limits; False where there is none, and the motion goes on to its own
        end, or where the arm stands or that end comes as soon."""
        if not self.moving(now_ns):
            return False
        splice_ns = self.timeline.splice_instant(now_ns + self._brake_margin_ns)
        stop = self._stop_from(splice_ns)
        if stop is None or splice_ns + stop.duration_ns >= self.timeline.end_ns:
            return False
        rest = stop.q_end[None]
        times = np.array([splice_ns + stop.duration_ns], dtype=np.int64)
        self.splice(now_ns, splice_ns, times, rest, np.zeros_like(rest), np.zeros_like(rest))
        self.braking = True
        return True

    def _stop_from(self, splice_ns: int) -> Segment | None:
        """The shortest of the stops within acceleration and jerk that keeps to all other limits."""
        state = self.timeline.sample(splice_ns)
        stops = brake(*state, self._acceleration, self._jerk)
        longer = stops[_BRAKE_CANDIDATES :: max(1, len(stops) // _BRAKE_CANDIDATES)]
        for stop in stops[:_BRAKE_CANDIDATES] + longer:
            if self._problem(splice_ns, state, stop) is None:
                return stop
        return None

    def go_home(self, now_ns: int) -> str | None:
        """Stops, then moves all joints together to the card's home. Returns why not, where that is not possible."""
        splice_ns = self.timeline.splice_instant(now_ns + self._margin_ns)
        state = self.timeline.sample(splice_ns)
        knots: list[tuple[int, np.ndarray]] = []
        start_ns, start = splice_ns, state[0]
        if splice_ns < self.timeline.end_ns:
            stop = self._stop_from(splice_ns)
            if stop is None:
                return "there is no stop within the limits before the motion under way ends"
            start_ns, start = splice_ns + stop.duration_ns, stop.q_end
            knots.append((start_ns, start))
        home = np.concatenate([arm.home for arm in self.arms])
        rest = (start, np.zeros_like(start), np.zeros_like(start))
        duration = max(
            _HOME_SHORTEST,
            rest_to_rest_duration(
                home - start,
                _HOME_SHARE * np.concatenate([arm.limits.velocity for arm in self.arms]),
                _HOME_SHARE * self._acceleration,
                _HOME_SHARE * self._jerk,
            ),
        )
        for _ in range(8):
            journey = Segment(round(duration * 1e3) * 1_000_000, home)
            problem = self._problem(start_ns, rest, journey)
            if problem is None:
                break
            if not problem.kind.startswith("tool"):
                return f"the way home is not within the limits: {problem}"
            duration *= 1.3
        else:
            return f"the way home is not within the limits: {problem}"
        knots.append((start_ns + journey.duration_ns, home))
        q = np.stack([q for _, q in knots])
        times = np.array([t for t, _ in knots], dtype=np.int64)
        self.splice(now_ns, splice_ns, times, q, np.zeros_like(q), np.zeros_like(q))
        return None

    def _problem(self, start_ns: int, state: tuple[np.ndarray, np.ndarray, np.ndarray], end: Segment):
        """The first arm's violation along one segment to rest; None where there is none."""
        times = np.array([start_ns, start_ns + end.duration_ns], dtype=np.int64)
        q, v, a = np.stack([state[0], end.q_end]), *(np.stack([x, np.zeros_like(x)]) for x in state[1:])
        for arm in self.arms:
            J = arm.joints
            problem = check_curve(arm.limits, arm.model, times, q[:, J], v[:, J], a[:, J], arm.collision)
            if problem is not None:
                return problem
        return None

    def messages(self, now_ns: int) -> list[JointTrajectory]:
        """The motion from now on in the form that each arm's replacement rule needs.

        legacy: from the running knot at or before now, so that the joint trajectory controller samples between our
        knots from its first cycle on, whatever state it believes in. splice: from the splice, which lies ahead of now.
        """
        timeline = self.timeline
        messages = []
        for arm in self.arms:
            begin = timeline.running_knot(now_ns if arm.card.replacement_rule == "legacy" else self.splice_ns)
            stamp_ns = max(1, int(timeline.times_ns[begin]))  # a stamp of zero would mean "on arrival"
            messages.append(
                JointTrajectory(
                    topic=arm.card.trajectory_topic,
                    stamp_ns=stamp_ns,
                    joint_names=tuple(arm.card.joints),
                    times_ns=np.maximum(timeline.times_ns[begin:] - stamp_ns, 0),
                    positions=timeline.q[begin:, arm.joints],
                    velocities=timeline.v[begin:, arm.joints],
                    accelerations=timeline.a[begin:, arm.joints],
                )
            )
        return messages
