"""What the arm did while a chunk ruled, in the chunk's own space: from the measured joints at the instants its steps were due."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport
from vla_contract.state_history import StateHistory
from vla_contract.turns import on_turn_of, turning_joints
from vla_motion import action_conversion as convert
from vla_motion.model import RobotModel

KEPT = 15_000
"""So many measured positions are kept of each joint: at 1 kHz, longer than any chunk rules."""


class JointHistory:
    """Measured positions of all arm joints of the last seconds, whichever drivers tell them."""

    def __init__(self, card: InterfaceCard) -> None:
        fields = [f"{joint}.position" for arm in card.arms for joint in arm.joints]
        self._history = StateHistory.of_card(card, fields, kept=KEPT)

    def add(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Of any of the joints, in any order; an older stamp is a straggler's, or the clock was set back."""
        self._history.add(stamp_ns, names, positions)

    def clear(self) -> None:
        """The clock was set back: nothing measured before is of the time that begins."""
        self._history.clear()

    def at(self, times_ns: np.ndarray) -> np.ndarray | None:
        """(N, J), linear between states; None where an instant lies outside of what is kept, or where states stayed away."""
        return self._history.track(times_ns)


def executed_steps(
    card: InterfaceCard, models: Sequence[RobotModel], history: JointHistory,
    chunk: ActionChunk, scheduled: ChunkReport, closed: ChunkReport,
) -> tuple[np.ndarray, np.ndarray] | None:  # fmt: skip
    """Indices (N,) of the steps that were executed, and what the arm did in them (N, D), grippers NaN.

    None where nothing was executed, or the measured joints do not reach so far.
    """
    due = scheduled.step_stamps_ns
    if not closed.steps_executed or len(due) != chunk.horizon or not closed.first_executed_ns:
        return None
    steps = np.flatnonzero((due >= closed.first_executed_ns) & (due <= closed.last_executed_ns))
    if not len(steps):
        return None
    period = int(due[1] - due[0]) if len(due) > 1 else chunk.step_period_ns
    q = history.at(np.concatenate([[due[steps[0]] - period], due[steps]]))
    if q is None:
        return None
    rows = np.full((len(steps), card.action_dim), np.nan)
    joint, turning = 0, turning_joints(card)
    for arm, model in zip(card.arms, models):
        mine = slice(joint, joint + len(arm.joints))
        joint += len(arm.joints)
        reference = chunk.reference_positions[mine]
        if chunk.action_space.is_relative and len(reference) != len(arm.joints):
            return None
        columns = card.arm_columns(arm.name)
        near = chunk.actions[steps[0], columns] if chunk.action_space is ActionSpace.JOINT_POSITION else reference
        ours = _on_turn_of(q[:, mine], near, [joint in turning for joint in arm.joints])
        rows[:, columns] = _actions(chunk.action_space, ours, reference, model)
    return steps, rows


def _on_turn_of(q: np.ndarray, near: np.ndarray, turns: list[bool]) -> np.ndarray:
    """q (N, J) with each joint that turns set on by whole turns, so that it begins near (J,) [rad]."""
    if not any(turns) or len(near) != q.shape[1]:
        return q
    return q + np.where(turns, on_turn_of(q[0], near) - q[0], 0.0)


def _actions(space: ActionSpace, q: np.ndarray, reference: np.ndarray, model: RobotModel) -> np.ndarray:
    """Actions (N, C) that lead through q[1:] (N, J), from q[0] or from the reference."""
    if space is ActionSpace.JOINT_POSITION:
        return q[1:]
    if space is ActionSpace.JOINT_RELATIVE:
        return convert.joints_to_joint_relative(reference, q[1:])
    if space is ActionSpace.JOINT_DELTA:
        return convert.joints_to_joint_delta(q[0], q[1:])
    T = model.forward_batch(q)
    if space is ActionSpace.EE_POSE:
        return convert.poses_to_ee_pose(T[1:])
    if space is ActionSpace.EE_RELATIVE:
        return convert.poses_to_ee_relative(model.forward(np.array(reference)), T[1:])
    return convert.poses_to_ee_delta(T[0], T[1:])
