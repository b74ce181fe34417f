"""Stops and motions from rest to rest that keep to all limits. Nothing here changes the commanded motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_controller.planning.arm import Arm
from vla_controller.planning.braking import Segment, Stops, rest_to_rest_duration
from vla_controller.planning.limits import Limits, Violation, check_curve

_STOPS_TRIED = 8
_LEG_ATTEMPTS = 8
_LEG_SHORTEST = 0.5  # [s]
State = tuple[np.ndarray, np.ndarray, np.ndarray]


class WaysToRest:
    """Of all arms together: states are position [rad], velocity and acceleration, each (J,), arm after arm."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._arms = list(arms)
        self._velocity, self._acceleration, self._jerk = (
            np.concatenate([getattr(arm.limits, name) for arm in arms]) for name in ("velocity", "acceleration", "jerk")
        )

    def stop(self, state: State, anchor: np.ndarray) -> Segment | None:
        """The shortest of the stops within acceleration and jerk that keeps to all other limits; None: there is none.

        anchor (J,) [rad]: where the motion began, at rest.
        """
        limits = [_stop_limits(arm, state[0], anchor) for arm in self._arms]
        stops = Stops(*state, self._acceleration, self._jerk)
        coarse = range(_STOPS_TRIED, len(stops), max(1, len(stops) // _STOPS_TRIED))
        for index in [*range(min(_STOPS_TRIED, len(stops))), *coarse]:
            if self._violation(state, stops[index], limits) is None:
                return stops[index]
        return None

    def legs(self, start: np.ndarray, waypoints: Sequence[np.ndarray], share: float) -> list[Segment] | str:
        """Motions from rest to rest, from start (J,) through the waypoints; a text where one is not within the limits.

        share: of each limit on speed, acceleration and jerk.
        """
        legs = []
        for end in waypoints:
            seconds = rest_to_rest_duration(
                end - start, share * self._velocity, share * self._acceleration, share * self._jerk
            )
            seconds = max(_LEG_SHORTEST, seconds)
            rest = (start, np.zeros_like(start), np.zeros_like(start))
            for _ in range(_LEG_ATTEMPTS):
                leg = Segment(round(seconds * 1e3) * 1_000_000, end)
                violation = self._violation(rest, leg, [arm.limits for arm in self._arms])
                if violation is None or not violation.kind.startswith("tool"):
                    break
                seconds *= 1.3
            if violation is not None:
                return f"the way home is not within the limits: {violation}"
            legs.append(leg)
            start = end
        return legs

    def _violation(self, state: State, segment: Segment, limits: Sequence[Limits]) -> Violation | None:
        """The first arm's along one segment to rest; None where there is none. limits: one of each arm."""
        times = np.array([0, segment.duration_ns], dtype=np.int64)
        q, v, a = np.stack([state[0], segment.q_end]), *(np.stack([x, np.zeros_like(x)]) for x in state[1:])
        for arm, own in zip(self._arms, limits):
            J = arm.joints
            violation = check_curve(own, arm.model, times, q[:, J], v[:, J], a[:, J], arm.collision)
            if violation is not None:
                return violation
        return None


def _stop_limits(arm: Arm, q: np.ndarray, anchor: np.ndarray) -> Limits:
    q, anchor = q[arm.joints], anchor[arm.joints]
    tool, tool_anchor = (arm.model.forward(x)[:3, 3].copy() for x in (q, anchor))
    return arm.limits.widened(q, tool, anchor, tool_anchor)
