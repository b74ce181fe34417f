"""When a controller may set an arm in motion, and until when: judged from its messages as they are sent."""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.curve_check import ArmLimits
from vla_motion.trajectory import JointTrajectory

_LONGEST_SOFTENING_S = 1.0


def longest_brake_ns(limits: ArmLimits) -> int:
    """What a stop may take at most [ns]: twice the shortest from full speed, and what a planner makes softer."""
    shortest = np.max(limits.velocity / limits.acceleration) + 2.0 * np.max(limits.acceleration / limits.jerk)
    return int(1e9 * (2.0 * shortest + _LONGEST_SOFTENING_S))


class Rights:
    """The motion of one arm that has been sent so far.

    end_ns: when it comes to rest, in physical time.
    """

    def __init__(self, limits: ArmLimits) -> None:
        self.brake_ns = longest_brake_ns(limits)
        self.end_ns = 0

    def excess_ns(
        self, message: JointTrajectory, now_ns: int, ahead_ns: int, deadline_ns: int | None, *, free: bool
    ) -> int:
        """By how much a message moves for longer than it may; 0 where it does not.

        ahead_ns: clock minus physical time. deadline_ns: of the chunk that it follows (observation plus the shorter of
        its validity and the open-loop limit); None: nothing was accepted that would make the motion longer. free: no
        limit, as on the way home.
        """
        count, end = len(message.times_ns), self._end_ns(message, now_ns, ahead_ns)
        still = bool(
            count
            and np.ptp(message.positions, axis=0).max() == 0.0
            and (message.velocities is None or not message.velocities.any())
        )
        allowed = max(self.end_ns, now_ns) if deadline_ns is None else deadline_ns + self.brake_ns
        self.end_ns = end
        return 0 if free or still else max(0, end - allowed)  # a message that stands still moves nothing, however long

    def beyond_ns(self, message: JointTrajectory, now_ns: int, ahead_ns: int, rest_by_ns: int) -> int:
        """By how much a message comes to rest later than at rest_by_ns, in physical time; 0 where it does not. Call it first."""
        return max(0, self._end_ns(message, now_ns, ahead_ns) - rest_by_ns)

    @staticmethod
    def _end_ns(message: JointTrajectory, now_ns: int, ahead_ns: int) -> int:
        return message.stamp_ns - ahead_ns + int(message.times_ns[-1]) if len(message.times_ns) else now_ns
