"""The joint trajectory controller's message as it arrives, and its checks in the controller's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from vla_motion.trajectory import JointTrajectory

__all__ = ["JtcParameters", "SubmitResult", "TrajectoryMessage", "TrajectoryPoint", "check_message"]

_VELOCITY_EPSILON = float(np.finfo(np.float32).eps)  # the controller compares with single precision
_NS_PER_S = 1_000_000_000


@dataclass
class TrajectoryPoint:
    """One point. time_ns: time_from_start [ns]; fields are float arrays, or None where the message left
    them empty.
    """

    time_ns: int
    positions: np.ndarray | None = None
    velocities: np.ndarray | None = None
    accelerations: np.ndarray | None = None
    effort: np.ndarray | None = None


@dataclass
class TrajectoryMessage:
    """A trajectory_msgs/JointTrajectory without ROS, not checked. stamp_ns 0 means on arrival."""

    stamp_ns: int
    joint_names: tuple[str, ...]
    points: list[TrajectoryPoint] = field(default_factory=list)

    @classmethod
    def from_trajectory(cls, trajectory: JointTrajectory) -> TrajectoryMessage:
        """The same points, copied."""
        count = len(trajectory)
        empty: list[None] = [None] * count
        positions = trajectory.positions.copy()
        velocities = empty if trajectory.velocities is None else trajectory.velocities.copy()
        accelerations = empty if trajectory.accelerations is None else trajectory.accelerations.copy()
        rows = zip(trajectory.times_ns.tolist(), positions, velocities, accelerations, strict=True)
        return cls(trajectory.stamp_ns, trajectory.joint_names, [TrajectoryPoint(*row) for row in rows])

    @classmethod
    def from_msg(cls, msg: Any) -> TrajectoryMessage:
        """From a ROS message, or anything with its attributes. No ROS import is needed for it."""
        points = [
            TrajectoryPoint(
                point.time_from_start.sec * _NS_PER_S + point.time_from_start.nanosec,
                *(_array(getattr(point, name)) for name in ("positions", "velocities", "accelerations", "effort")),
            )
            for point in msg.points
        ]
        stamp = msg.header.stamp
        return cls(stamp.sec * _NS_PER_S + stamp.nanosec, tuple(msg.joint_names), points)

    def copy(self) -> TrajectoryMessage:
        """Points may be changed in the copy; their arrays are shared."""
        return TrajectoryMessage(self.stamp_ns, tuple(self.joint_names), [replace(point) for point in self.points])


@dataclass(frozen=True)
class JtcParameters:
    """The controller's own parameters under their own names and defaults.

    cmd_timeout [s], 0 = off. policy_frequency [Hz]. joints_angle_wraparound: one flag a joint, or
    empty for none. goal_tolerance [rad]: of action goals, the same for every joint; 0 = none.
    """

    allow_partial_joints_goal: bool = False
    allow_nonzero_velocity_at_trajectory_end: bool = False
    allow_integration_in_goal_trajectories: bool = False
    interpolation_method: str = "splines"
    joints_angle_wraparound: tuple[bool, ...] = ()
    cmd_timeout: float = 0.0
    positions_upsampling_enable: bool = False
    policy_frequency: float = 0.0
    effort_command_interface: bool = False
    goal_tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.interpolation_method not in ("splines", "none"):
            raise ValueError(f"interpolation_method is {self.interpolation_method!r}, allowed are 'splines', 'none'")


class SubmitResult(NamedTuple):
    """Whether a message was taken; reason is empty, or the code of the first check that failed."""

    accepted: bool
    reason: str

    def __bool__(self) -> bool:
        return self.accepted


def check_message(message: TrajectoryMessage, joints: Sequence[str], now_ns: int, parameters: JtcParameters) -> str:
    """Reason code of the first check that fails, "" when all pass. now_ns: the node's clock.

    Not checked, as in the controller: duplicate names, not-a-number, infinity, limits, frames.
    """
    names, points = message.joint_names, message.points
    if not parameters.allow_partial_joints_goal and len(names) != len(joints):
        return "joint_count"
    if not names:
        return "no_joint_names"
    if not points:
        return "no_points"
    if any(name not in joints for name in names):
        return "unknown_joint"
    last = points[-1]
    if not parameters.allow_nonzero_velocity_at_trajectory_end and last.velocities is not None:
        if np.any(np.abs(last.velocities) > _VELOCITY_EPSILON):
            return "end_velocity"
    if message.stamp_ns != 0 and message.stamp_ns + last.time_ns < now_ns:
        return "ends_in_past"
    integration = parameters.allow_integration_in_goal_trajectories
    for index, point in enumerate(points):
        if index and point.time_ns <= points[index - 1].time_ns:
            return "time_not_increasing"
        reason = _check_fields(point, len(names), integration)
        if reason:
            return f"{reason}:{index}" if reason.startswith("field_size") else reason
        if point.effort is not None and not parameters.effort_command_interface:
            return "effort_without_interface"
    return ""


def _check_fields(point: TrajectoryPoint, count: int, integration: bool) -> str:
    if point.positions is None:
        if not integration:
            return "field_size:positions"
        if point.velocities is None and point.accelerations is None:
            return "point_empty"
    elif len(point.positions) != count:
        return "field_size:positions"
    if point.velocities is not None and len(point.velocities) != count:
        return "field_size:velocities"
    if point.accelerations is not None and len(point.accelerations) != count:
        return "field_size:accelerations"
    return ""


def _array(values: Sequence[float]) -> np.ndarray | None:
    return np.array(values, dtype=np.float64) if len(values) else None
