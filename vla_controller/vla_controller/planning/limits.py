"""What an arm must never exceed, and whether a curve does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vla_contract.card import LimitsCard
from vla_controller.planning.kernels.curve import ToolLimits, check_tool, coefficients_and_peaks, worst_of_joints
from vla_motion.model import RobotModel

if TYPE_CHECKING:
    from vla_motion.collision import CollisionModel

SHARE = 0.98  # of each limit on a derivative is planned to
COLLISION_MARGIN = 0.005  # [m]
SLOW = 0.25
"""Share of the speeds that is left to an arm outside of its joint range or its workspace, on its way back."""
_OUTSIDE = 1e-4  # [rad], [m]
_NOISE = 5e-3  # [rad], [m]
_AXES = "xyz"
_JOINT_KINDS = ("position", "velocity", "acceleration", "jerk")


@dataclass(frozen=True)
class Limits:
    """lower, upper, velocity, acceleration, jerk (J,) [rad, s]; box_lower, box_upper (3,) [m] of the tool in the
    base frame; tool_speed [m/s], tool_angular_speed [rad/s]. Derivatives already times SHARE."""

    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    box_lower: np.ndarray
    box_upper: np.ndarray
    tool_speed: float
    tool_angular_speed: float

    @classmethod
    def from_card(cls, card: LimitsCard, model: RobotModel) -> Limits:
        """The card's limits; positions narrowed to those of the model where they are tighter."""
        return cls(
            lower=np.maximum(card.position_lower, model.lower),
            upper=np.minimum(card.position_upper, model.upper),
            velocity=SHARE * np.array(card.velocity, dtype=np.float64),
            acceleration=SHARE * np.array(card.acceleration, dtype=np.float64),
            jerk=SHARE * np.array(card.jerk, dtype=np.float64),
            box_lower=np.array(card.workspace_min, dtype=np.float64),
            box_upper=np.array(card.workspace_max, dtype=np.float64),
            tool_speed=SHARE * card.tool_speed,
            tool_angular_speed=SHARE * card.tool_angular_speed,
        )

    def slowed(self) -> Limits:
        """The same with a quarter of the speeds."""
        return replace(
            self, velocity=SLOW * self.velocity, tool_speed=SLOW * self.tool_speed,
            tool_angular_speed=SLOW * self.tool_angular_speed,
        )  # fmt: skip

    def widened(self, q: np.ndarray, tool: np.ndarray, q_anchor: np.ndarray, tool_anchor: np.ndarray) -> Limits:
        """For a stop from q (J,) with the tool at (3,): where these are outside, it may end as far outside as the motion began.

        q_anchor (J,) and tool_anchor (3,): where it began, at rest. Any stop overshoots by some micrometres what was about to
        turn; without room for that there would be none.
        """
        return replace(
            self,
            lower=np.where(q < self.lower, np.minimum(q, q_anchor), self.lower),
            upper=np.where(q > self.upper, np.maximum(q, q_anchor), self.upper),
            box_lower=np.where(tool < self.box_lower, np.minimum(tool, tool_anchor), self.box_lower),
            box_upper=np.where(tool > self.box_upper, np.maximum(tool, tool_anchor), self.box_upper),
        )

    def excludes(self, q: np.ndarray, tool: np.ndarray) -> bool:
        """Whether joints (J,) [rad] or tool (3,) [m] lie outside, where an arm may have woken, or was moved by hand."""
        joints = np.maximum(self.lower - q, q - self.upper).max()
        return bool(max(joints, np.maximum(self.box_lower - tool, tool - self.box_upper).max()) > _OUTSIDE)

    def outside(self, joints: Sequence[str], q: np.ndarray, tool: np.ndarray) -> str:
        """Which of the joints, at q (J,) [rad], and of the axes of the tool, at (3,) [m], are outside by more than is measured so
        without being so, where, and what is allowed; empty: none."""
        places = [*zip(joints, q, self.lower, self.upper, ["rad"] * len(joints)),
                  *zip((f"tool {axis}" for axis in _AXES), tool, self.box_lower, self.box_upper, ["m"] * 3)]  # fmt: skip
        return ", ".join(
            f"{name} is at {at:.4g} {unit}, allowed are {low:.4g} to {high:.4g}"
            for name, at, low, high, unit in places
            if max(low - at, at - high) > _NOISE
        )

    def box_inside(self, inset: float) -> tuple[np.ndarray, np.ndarray]:
        """The workspace box, ``inset`` [m] smaller on each side, never turned inside out."""
        inset = np.minimum(inset, 0.45 * (self.box_upper - self.box_lower))
        return self.box_lower + inset, self.box_upper - inset


@dataclass(frozen=True)
class Violation:
    """A curve beyond a limit: ``limit`` as in Clamp ("velocity panda_joint3"), by how much, in the limit's unit, and
    by how much of the limit (``ratio``, 0.1 = a tenth beyond; for positions, in rad or m), and in which ``segment``
    between two knots (-1: not known)."""

    limit: str
    amount: float
    ratio: float
    segment: int = -1

    @property
    def kind(self) -> str:
        return self.limit.split(" ", 1)[0]

    def __str__(self) -> str:
        if self.kind == "collision":
            return f"{self.limit}: nearer than {COLLISION_MARGIN * 1e3:g} mm"
        return f"{self.limit} exceeded by {self.amount:.4g}"


def check_curve(
    limits: Limits,
    model: RobotModel,
    times_ns: np.ndarray,
    q: np.ndarray,
    v: np.ndarray,
    a: np.ndarray,
    collision: CollisionModel | None = None,
) -> Violation | None:
    """The worst violation on the knots (N) and anywhere between them; None is a proof that there is none.

    times_ns (N,) int64; q, v, a (N, J). Joints: exact extremes of every segment. Tool and collision: bounds that hold
    between samples too. A curve that begins outside a position limit or the workspace may go on as far outside as it
    began, never further.
    """
    intervals = (times_ns[1:] - times_ns[:-1]) * 1e-9
    q, v, a = (np.ascontiguousarray(x, dtype=np.float64) for x in (q, v, a))
    segments, joints = len(intervals), q.shape[1]
    if not (np.isfinite(q).all() and np.isfinite(v).all() and np.isfinite(a).all() and np.all(intervals > 0.0)):
        return Violation("position", np.inf, np.inf)  # the comparisons below would pass what is not a number
    C, peaks = np.empty((segments, joints, 6)), np.empty((5, segments, joints))
    coefficients_and_peaks(intervals, q, v, a, C, peaks)
    worst = np.empty((4, 4))
    worst_of_joints(
        peaks,
        np.minimum(limits.lower, q[0]),
        np.maximum(limits.upper, q[0]),
        np.maximum(limits.velocity, np.abs(v[0])),
        np.maximum(limits.acceleration, np.abs(a[0])),
        limits.jerk,
        worst,
    )
    for kind, (ratio, amount, joint, segment) in zip(_JOINT_KINDS, worst.tolist()):
        if ratio > 1e-9:
            return Violation(f"{kind} {model.joints[int(joint)]}", amount, ratio, int(segment))
    return _tool_violation(limits, model, intervals, C, peaks) or _contact(intervals, C, collision)


def _tool_violation(limits: Limits, model: RobotModel, intervals, C, peaks) -> Violation | None:
    found = np.empty(3)
    allowed = ToolLimits(
        limits.box_lower, limits.box_upper, limits.tool_speed, limits.tool_speed / SHARE, limits.tool_angular_speed,
        limits.tool_angular_speed / SHARE,
    )  # fmt: skip
    kind = check_tool(model.chain, model.reach, allowed, intervals, C, peaks, found)
    if kind < 0:
        return None
    amount, segment = float(found[0]), int(found[1])
    if kind < 3:
        return Violation(f"workspace {_AXES[kind]}", amount, amount, segment)
    name, limit = (("tool_speed", limits.tool_speed), ("tool_angular_speed", limits.tool_angular_speed))[kind - 3]
    return Violation(name, amount, amount / limit, segment)


def _contact(intervals, C, collision: CollisionModel | None) -> Violation | None:
    if collision is None:
        return None
    seconds = intervals[:, None, None] ** -np.arange(6.0)
    contact = collision.check_motion(np.ascontiguousarray(np.swapaxes(C * seconds, 1, 2)), intervals)
    if contact is None:
        return None
    amount = max(0.0, COLLISION_MARGIN - contact.distance)
    return Violation(f"collision {contact.first} {contact.second}", amount, amount, contact.segment)
