"""The joint trajectory controller's topic endpoint: what it does in each control cycle, rule by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vla_motion.trajectory import JointTrajectory
from vla_sim.jtc_message import JtcParameters, SubmitResult, TrajectoryMessage, TrajectoryPoint, check_message
from vla_sim.jtc_replacement import complete_message, merge_messages
from vla_sim.jtc_trajectory import SampledTrajectory
from vla_sim.jtc_upsampling import upsample_message

__all__ = ["RULES", "JointTrajectoryEndpoint"]

RULES = ("legacy", "splice", "newest_without_splice")


class JointTrajectoryEndpoint:
    """One joint trajectory controller with a position command interface.

    rule: "legacy" (Humble to Kilted) drops the running message when a new one arrives; "splice" (newest)
    merges the new one into it; "newest_without_splice" is the newest version with
    allow_trajectory_replacement off. period_ns: nominal control period [ns], which the command looks ahead
    by. The first update holds the measured position. Raises ValueError for an unknown rule or no joints.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        period_ns: int,
        rule: str = "legacy",
        interpolate_from_desired_state: bool = True,
        parameters: JtcParameters | None = None,
    ) -> None:
        if rule not in RULES:
            raise ValueError(f"replacement rule is {rule!r}, allowed are {', '.join(RULES)}")
        if not joint_names:
            raise ValueError("a joint trajectory controller needs at least one joint")
        self.joint_names = tuple(joint_names)
        self.period_ns = int(period_ns)
        self.rule = rule
        self.interpolate_from_desired_state = interpolate_from_desired_state
        self.parameters = parameters or JtcParameters()
        self.speed_scaling = 1.0
        self.reset()

    def reset(self) -> None:
        """Forgets every message; the next update holds the position measured then."""
        self.holding = True
        self.goal_active = False
        self.trajectory_time_ns = 0
        self._trajectory: SampledTrajectory | None = None
        self._pending: TrajectoryMessage | None = None
        self._desired = np.full((3, len(self.joint_names)), np.nan)
        self._command = self._desired
        self._command_time_ns: int | None = None

    @property
    def desired(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity, acceleration wanted now, each (J,); NaN before the first update."""
        return self._desired[0], self._desired[1], self._desired[2]

    @property
    def command(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the last update returned, each (J,); NaN before the first one."""
        return self._command[0], self._command[1], self._command[2]

    @property
    def active_message(self) -> TrajectoryMessage | None:
        """The message being executed, after sorting, filling and merging."""
        return None if self._trajectory is None else self._trajectory.message

    @property
    def trajectory_start_ns(self) -> int | None:
        """Trajectory time [ns] from which the active message's times count; None before it is known."""
        return None if self._trajectory is None else self._trajectory.start_ns

    def submit(self, trajectory: JointTrajectory | TrajectoryMessage, now_ns: int) -> SubmitResult:
        """Checks a message as on the controller's topic; one that passes is taken up by the next update.

        now_ns: the node's clock. A refused message changes nothing.
        """
        message = _message(trajectory)
        if self.parameters.positions_upsampling_enable:
            message = upsample_message(message, self.parameters.policy_frequency)
        return self._queue(message, now_ns)

    def submit_goal(self, trajectory: JointTrajectory | TrajectoryMessage, now_ns: int) -> SubmitResult:
        """A message that came as an action goal: the same checks, no upsampling, and success is watched for.

        Success is judged on the look-ahead sample, one period before the end, and makes the controller
        hold the last point. A message on the topic replaces the motion but not the goal.
        """
        result = self._queue(_message(trajectory), now_ns)
        self.goal_active = self.goal_active or result.accepted
        return result

    def _queue(self, message: TrajectoryMessage, now_ns: int) -> SubmitResult:
        reason = check_message(message, self.joint_names, now_ns, self.parameters)
        if reason:
            return SubmitResult(False, reason)
        self._pending = message
        self.holding = False
        return SubmitResult(True, "")

    def update(
        self, now_ns: int, period_ns: int, measured_q: np.ndarray, measured_v: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One control cycle: the command (position, velocity, acceleration), each (J,), for the time one
        period ahead.

        now_ns: time of the cycle [ns]. period_ns: time since the one before [ns]. measured_q (J,) [rad],
        measured_v (J,) [rad/s] or None without velocity interface.
        """
        if self._trajectory is None:
            self._install(self._hold_message(measured_q))
        if self._pending is not None:
            self._take_up(now_ns, measured_q)
        trajectory = self._trajectory
        if trajectory.sampled:
            if self.speed_scaling == 1.0:
                self.trajectory_time_ns += period_ns
            else:
                self.trajectory_time_ns += int(period_ns * self.speed_scaling)
        else:
            trajectory.set_point_before(*self._point_before(now_ns, measured_q, measured_v))
            self.trajectory_time_ns = now_ns
        time_ns = self.trajectory_time_ns
        sample = trajectory.sample(time_ns)
        if sample is not None:
            self._desired = sample.state
        ahead = trajectory.sample(time_ns + self.period_ns, monotonic=False)
        if ahead is not None:
            self._command = ahead.state
            self._command_time_ns = now_ns
            if not self.holding and ahead.end == len(trajectory.points):
                self._after_the_end(time_ns, measured_q)
        command = self._command
        return command[0], command[1], command[2]

    def _take_up(self, now_ns: int, measured_q: np.ndarray) -> None:
        message, self._pending = self._pending, None
        if self.rule == "splice" and len(self._trajectory.points) > 1 and not self.holding:
            message = merge_messages(
                self._trajectory,
                message,
                self.joint_names,
                self.trajectory_time_ns,
                now_ns,
                self.speed_scaling,
            )
        else:
            position = self._command[0]
            hold = np.where(np.isnan(position), measured_q, position)
            message = complete_message(message, self.joint_names, hold)
        self._install(message)

    def _install(self, message: TrajectoryMessage) -> None:
        self._trajectory = SampledTrajectory(
            message,
            interpolation_method=self.parameters.interpolation_method,
            wraparound=self.parameters.joints_angle_wraparound,
            lookahead_moves_search=self.rule == "legacy",
        )

    def _point_before(
        self, now_ns: int, measured_q: np.ndarray, measured_v: np.ndarray | None
    ) -> tuple[int, TrajectoryPoint]:
        if self.interpolate_from_desired_state and self._command_time_ns is not None:
            # the command was meant for one period later, but the controller gives it the time of its cycle;
            # it reads 0 as "none yet"
            rows = [None if np.isnan(row).all() else row for row in self._command]
            return self._command_time_ns or now_ns, TrajectoryPoint(0, *rows)
        velocity = None if measured_v is None else np.array(measured_v, dtype=np.float64)
        return now_ns, TrajectoryPoint(0, np.array(measured_q, dtype=np.float64), velocity)

    def _after_the_end(self, time_ns: int, measured_q: np.ndarray) -> None:
        """A hold for the next cycle, where the command is too old or an action goal is reached."""
        last = self._trajectory.points[-1]
        late_ns = time_ns - (self._trajectory.start_ns + last.time_ns)
        if 0 < self.parameters.cmd_timeout * 1e9 < late_ns:
            self.holding = True
            self._pending = self._hold_message(measured_q)
        tolerance = self.parameters.goal_tolerance
        if self.goal_active and (not tolerance or np.all(np.abs(self._desired[0] - measured_q) <= tolerance)):
            self.goal_active = False
            self.holding = True
            self._pending = TrajectoryMessage(0, self.joint_names, [replace(last, time_ns=0)])

    def _hold_message(self, position: np.ndarray) -> TrajectoryMessage:
        point = TrajectoryPoint(0, np.array(position, dtype=np.float64))
        return TrajectoryMessage(0, self.joint_names, [point])


def _message(trajectory: JointTrajectory | TrajectoryMessage) -> TrajectoryMessage:
    if isinstance(trajectory, JointTrajectory):
        return TrajectoryMessage.from_trajectory(trajectory)
    return trajectory.copy()
