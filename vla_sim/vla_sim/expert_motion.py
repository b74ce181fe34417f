"""How fast the scripted expert moves: ramps, as functions of distance alone.

An arm cannot change its velocity within one step. A ramp over time would need a memory of when a motion began, so speed is a
function of the distance to where a leg ends, of the distance from where it began where geometry tells that, and of how far
off another axis still is. One step follows this velocity field for one step period, so that plans from two points of one
path are one path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SPEED = 0.26
"""Fastest motion sideways, and upwards [m/s]."""
DESCENT_SPEED = 0.16
"""Fastest motion downwards [m/s]."""
TURN_SPEED = 1.2
"""Fastest rotation of the tool [rad/s]."""
ACCELERATION = 1.2
"""Of the tool, sideways and vertical each [m/s^2]."""
LEAVING_ACCELERATION = 0.7
"""Of the tool upwards from where it has rested: less, since the plan that begins it arrives late [m/s^2]."""
TURN_ACCELERATION = 5.0
"""Of the tool's rotation [rad/s^2]."""
LEAD = 0.3
"""A motion that waits for another one begins this long before the other one's end [s]."""
PUSH_OFF = 0.0005
"""Distance that counts as covered at a pose where the tool has rested [m]: nobody leaves at speed zero."""
SLOW_HEIGHT, FULL_HEIGHT = 0.32, 0.22
"""Only where a trial starts is an empty hand that high: from the first height on it moves at `SLOW_SHARE` of every speed,
below the second one at full speed [m]."""
SLOW_SHARE = 0.4
SUBSTEPS = 5
"""Pieces in which one step follows the velocity field."""


@dataclass(frozen=True)
class Funnel:
    """How high the tool has to be, above where the leg ends, while it is still off the axis or turned away.

    Attributes:
        top: Height from which on it does not matter how far off [m].
        radius: Distance from the axis up to which the tool may go all the way down [m].
        angle: Misalignment up to which it may [rad].
        slope: Height per distance from the axis.
        turn_slope: Height per misalignment [m/rad].
    """

    top: float
    radius: float
    angle: float = 0.10
    slope: float = 2.5
    turn_slope: float = 0.25

    def floor(self, off_axis: float, misaligned: float) -> float:
        """Lowest height [m] at this distance from the axis [m] and this misalignment [rad]."""
        height = self.slope * (off_axis - self.radius) + self.turn_slope * (misaligned - self.angle)
        return min(max(height, 0.0), self.top)


@dataclass(frozen=True)
class Gap:
    """What lies between the tool and the end of its leg.

    Attributes:
        off_axis: Horizontal distance [m].
        height: Of the tool above the end, negative below [m].
        angle: Of rotation left [rad].
    """

    off_axis: float
    height: float
    angle: float


def share_of_speed(height: float) -> float:
    """How much of its speed an empty hand uses at this height above the table [m]: where it may be starting, less."""
    fallen = (SLOW_HEIGHT - height) / (SLOW_HEIGHT - FULL_HEIGHT)
    return SLOW_SHARE + (1.0 - SLOW_SHARE) * min(max(fallen, 0.0), 1.0)


def follow(
    gap: Gap, funnel: Funnel | None, period: float, *, left: float | None = None, end_height: float | None = None
) -> Gap:
    """The gap after one step.

    Args:
        gap: Before it.
        funnel: Above an axis; None to go straight.
        period: Of the step [s].
        left: Height above the pose where the tool has rested, for a leg that leaves it upwards [m].
        end_height: Of the leg's end above the table, for a hand that may be starting, see `share_of_speed` [m].
    """
    off_axis, height, angle = gap.off_axis, gap.height, gap.angle
    for _ in range(SUBSTEPS):
        h = period / SUBSTEPS * (1.0 if end_height is None else share_of_speed(end_height + height))
        floor = funnel.floor(off_axis, angle) if funnel else 0.0
        sideways = _braking(off_axis, SPEED, ACCELERATION, h)
        if height < floor:
            # Low and off the axis: rise before moving sideways, so as not to sweep over the neighbours.
            vertical = _braking(floor - height, SPEED, ACCELERATION, h)
            if left is not None:
                risen = max(left + height - gap.height, 0.0)
                vertical = min(vertical, math.sqrt(2.0 * LEAVING_ACCELERATION * (risen + PUSH_OFF)))
            sideways = min(sideways, _before(_time_left(floor - height, ACCELERATION)))
        else:
            wait = max(_time_left(off_axis, ACCELERATION), _time_left(angle, TURN_ACCELERATION)) if funnel else 0.0
            vertical = -min(_braking(height - floor, DESCENT_SPEED, ACCELERATION, h), _before(wait))
            if funnel:
                vertical = min(vertical, -_braking(height - funnel.top, DESCENT_SPEED, ACCELERATION, h))
        off_axis -= sideways * h
        height += vertical * h
        angle -= _braking(angle, TURN_SPEED, TURN_ACCELERATION, h) * h
    return Gap(off_axis, height, angle)


def _braking(distance: float, fastest: float, acceleration: float, h: float) -> float:
    """Speed from which to stop within `distance`, for a time h: v^2 + a h v = 2 a d, so that each h takes a h off it."""
    if distance <= 0.0:
        return 0.0
    half = 0.5 * acceleration * h
    return min(fastest, math.sqrt(2.0 * acceleration * distance + half * half) - half, distance / h)


def _time_left(distance: float, acceleration: float) -> float:
    """Time in which a braking motion covers `distance` [s]."""
    return math.sqrt(2.0 * max(distance, 0.0) / acceleration)


def _before(time_left: float) -> float:
    """Speed of a motion that has been speeding up since `LEAD` before another one ends, which is in `time_left` [m/s]."""
    return ACCELERATION * max(LEAD - time_left, 0.0)
