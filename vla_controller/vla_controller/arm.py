"""One arm of the cell: its columns of a chunk become joint positions to pass through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.report import Clamp
from vla_motion import rotation
from vla_motion.action_conversion import poses_to_ee_delta
from vla_motion.kinematics import inverse
from vla_motion.model import RobotModel

from .anchor import Schedule, box_inside, clamped_deltas, keep_inside
from .effort import Effort
from .limits import Limits

_IK_ITERATIONS = 6
_WANDER = 0.04  # [rad]


@dataclass(frozen=True)
class Wanted:
    """What one arm is to do for one chunk, after clamping.

    q (K, J) [rad]: positions for the planned steps. actions (H, n): the chunk's own columns as they are planned;
    skipped steps as asked, steps beyond the open-loop limit at rest. anchor: as in ChunkReport.
    """

    q: np.ndarray
    actions: np.ndarray
    anchor: tuple[float, ...]
    clamps: list[Clamp]


class Arm:
    """Card entry, model, limits and place of one arm: ``joints`` in the cell's joint vector, ``columns`` in chunks."""

    def __init__(self, card: InterfaceCard, index: int, model: RobotModel) -> None:
        self.card = card.arms[index]
        if tuple(model.joints) != tuple(self.card.joints):
            raise ValueError(
                f"arm {self.card.name}: the model's joints are {', '.join(model.joints)}, "
                f"the card's are {', '.join(self.card.joints)}"
            )
        self.model = model
        self.limits = Limits.from_card(self.card.limits, model)
        self.home = np.array(self.card.home, dtype=np.float64)
        start = sum(len(arm.joints) for arm in card.arms[:index])
        self.joints = slice(start, start + len(self.card.joints))
        self.columns = card.arm_columns(self.card.name)
        self.gripper_column = card.gripper_column(self.card.name)

    def wanted(
        self,
        space: ActionSpace,
        actions: np.ndarray,
        period: float,
        schedule: Schedule,
        q_anchor: np.ndarray,
        q_before: np.ndarray,
        q_running: np.ndarray,
        effort: Effort,
    ) -> Wanted:
        """Clamped joint positions for the steps planned.

        actions (H, n): this arm's columns. period [s]. q_anchor (J,): commanded at the observation; q_before (J,):
        commanded one period before the first planned step is due; q_running (K, J): by the motion under way when the
        planned steps are due. From there inverse kinematics has the shortest way, as chunks mostly repeat each other.
        """
        if space is ActionSpace.EE_DELTA:
            return self._wanted_deltas(actions, period, schedule, q_anchor, q_before, q_running, effort)
        return self._wanted_joints(actions, period, schedule, q_anchor, q_before, effort)

    def _wanted_deltas(self, actions, period, schedule, q_anchor, q_before, q_running, effort) -> Wanted:
        first, last = schedule.first, schedule.last
        limits = self.limits
        options = {"inset": effort.inset, "share": effort.share}
        T_anchor = self.model.forward(q_anchor)
        before = T_anchor
        if first:  # executed by earlier chunks, as far as limits let them
            before = clamped_deltas(T_anchor, actions[:first], period, limits, **options)[0][-1]
        T, clamps = clamped_deltas(before, actions[first:last], period, limits, first_step=first, **options)
        lower, upper = self._range(q_before, effort.joint_margin)
        q = np.empty((last - first, len(q_anchor)))
        previous = q_before
        moves = np.diff(q_running, axis=0, prepend=q_before[None])
        for k in range(len(q)):
            found = inverse(
                self.model, T[k], previous + moves[k],
                lower=lower, upper=upper, posture=self._posture(previous), max_iterations=_IK_ITERATIONS,
            )  # fmt: skip
            q[k], limited = self._slowed(found.q, previous, period, effort, first + k)
            if not found.converged:
                limited.append(Clamp(first + k, "reach", found.position_error))
            if limited:
                clamps = [c for c in clamps if c.step <= first + k] + limited
                T[k] = self.model.forward(q[k])
                T[k + 1 :], more = clamped_deltas(
                    T[k], actions[first + k + 1 : last], period, limits, first_step=first + k + 1, **options
                )
                clamps += more
            previous = q[k]
        planned = np.array(actions)
        planned[first:last] = poses_to_ee_delta(before, T)
        planned[last:] = 0.0
        anchor = (*T_anchor[:3, 3], *rotation.quaternion_from_rotation(T_anchor[:3, :3]))
        return Wanted(q, planned, tuple(map(float, anchor)), clamps)

    def _wanted_joints(self, actions, period, schedule, q_anchor, q_before, effort) -> Wanted:
        first, last = schedule.first, schedule.last
        lower, upper = self._range(q_before, effort.joint_margin)
        box_lower, box_upper = box_inside(self.limits, effort.inset)
        clamps: list[Clamp] = []
        q = np.clip(actions[first:last], lower, upper)
        for k, joint in zip(*np.nonzero(q != actions[first:last])):
            amount = abs(float(actions[first + k, joint] - q[k, joint]))
            clamps.append(Clamp(first + int(k), f"position {self.model.joints[joint]}", amount))
        previous = q_before
        start = self.model.forward(q_before)[:3, 3]
        box_lower, box_upper = np.minimum(box_lower, start), np.maximum(box_upper, start)
        for k in range(len(q)):
            T = self.model.forward(q[k])
            position, outside = keep_inside(T[:3, 3], box_lower, box_upper)
            if outside:
                clamps += [Clamp(first + k, f"workspace {axis}", amount) for axis, amount in outside]
                inside = rotation.pose(position, T[:3, :3])
                found = inverse(
                    self.model, inside, previous, lower=lower, upper=upper, posture=q[k], max_iterations=_IK_ITERATIONS
                )
                q[k] = found.q if found.converged else previous
            q[k], limited = self._slowed(q[k], previous, period, effort, first + k)
            clamps += limited
            previous = q[k]
        planned = np.array(actions)
        planned[first:last] = q
        planned[last:] = q[-1] if len(q) else q_before
        return Wanted(q, planned, tuple(map(float, q_anchor)), clamps)

    def scaled(self, space: ActionSpace, wanted: Wanted, q: np.ndarray, schedule: Schedule) -> Wanted:
        """The same with other joint positions q (K, J); the planned actions follow them."""
        first, last = schedule.first, schedule.last
        planned = wanted.actions.copy()
        if space is not ActionSpace.EE_DELTA:
            planned[first:last] = q
            planned[last:] = q[-1]
        else:
            T_anchor = rotation.pose(np.array(wanted.anchor[:3]), rotation.rotation_from_quaternion(wanted.anchor[3:]))
            T = self.model.forward_batch(q)
            skipped = planned[:first]
            before = rotation.compose_left(T_anchor, np.zeros(6))
            for delta in skipped:
                before = rotation.compose_left(before, delta)
            planned[first:last] = poses_to_ee_delta(before, T)
        return Wanted(q, planned, wanted.anchor, wanted.clamps)

    def _posture(self, q: np.ndarray) -> np.ndarray:
        """Toward home, but no farther than a redundant arm may wander in one step without haste."""
        return q + np.clip(self.home - q, -_WANDER, _WANDER)

    def _range(self, q_before: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Joint range, ``margin`` [rad] inside the limits, but never excluding where the arm is."""
        margin = np.minimum(margin, 0.45 * (self.limits.upper - self.limits.lower))
        return np.minimum(self.limits.lower + margin, q_before), np.maximum(self.limits.upper - margin, q_before)

    def _slowed(self, q, previous, period, effort, step) -> tuple[np.ndarray, list[Clamp]]:
        """q, or a point on the way to it that is reached below the joints' speeds."""
        allowed = effort.share * self.limits.velocity * period
        ratio = np.abs(q - previous) / allowed
        joint = int(np.argmax(ratio))
        if ratio[joint] <= 1.0:
            return q, []
        speed = float(abs(q[joint] - previous[joint]) - allowed[joint]) / period
        return previous + (q - previous) / ratio[joint], [Clamp(step, f"velocity {self.model.joints[joint]}", speed)]
