"""What the arm did while a chunk ruled, in the chunk's own space: from the measured joints at the instants its steps were due."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport
from vla_motion import action_conversion as convert
from vla_motion.model import RobotModel

KEPT_NS = 15_000_000_000
"""So long measured joints are kept [ns]: longer than any chunk rules."""


class JointHistory:
    """Measured positions of all arm joints of the last seconds."""

    def __init__(self, card: InterfaceCard) -> None:
        self._joints = [joint for arm in card.arms for joint in arm.joints]
        self._rows: deque[tuple[int, np.ndarray]] = deque()
        self._names: tuple[str, ...] = ()
        self._order: list[int] | None = None

    def add(self, stamp_ns: int, names: Sequence[str], positions: Sequence[float]) -> None:
        """Messages without all joints are left out; an older stamp means that the clock was set back."""
        names = tuple(names)
        if names != self._names:
            place = {name: i for i, name in enumerate(names)}
            whole = all(joint in place for joint in self._joints)
            self._names, self._order = names, [place[joint] for joint in self._joints] if whole else None
        if self._order is None or len(positions) != len(names):
            return
        if self._rows and stamp_ns <= self._rows[-1][0]:
            if stamp_ns > self._rows[-1][0] - 1_000_000_000:
                return
            self._rows.clear()
        self._rows.append((stamp_ns, np.asarray(positions)[self._order]))
        while self._rows[-1][0] - self._rows[0][0] > KEPT_NS:
            self._rows.popleft()

    def clear(self) -> None:
        """The clock was set back: nothing measured before is of the time that begins."""
        self._rows.clear()

    def at(self, times_ns: np.ndarray) -> np.ndarray | None:
        """(N, J), linear between states; None where an instant lies outside of what is kept."""
        if not self._rows or times_ns[0] < self._rows[0][0] or times_ns[-1] > self._rows[-1][0]:
            return None
        stamps = np.array([stamp for stamp, _ in self._rows], dtype=np.int64)
        rows = np.array([row for _, row in self._rows])
        begin = stamps[0]
        t, known = (times_ns - begin).astype(np.float64), (stamps - begin).astype(np.float64)
        return np.stack([np.interp(t, known, column) for column in rows.T], axis=1)


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
    joint = 0
    for arm, model in zip(card.arms, models):
        mine = slice(joint, joint + len(arm.joints))
        joint += len(arm.joints)
        reference = chunk.reference_positions[mine]
        if chunk.action_space.is_relative and len(reference) != len(arm.joints):
            return None
        rows[:, card.arm_columns(arm.name)] = _actions(chunk.action_space, q[:, mine], reference, model)
    return steps, rows


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
