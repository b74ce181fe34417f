"""The steps of a new chunk that repeat the chunk under way, as the controller has planned it. No ROS, no torch.

A new observation mostly falls between two steps of the chunk under way: its steps are that motion, cut anew.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.report import ChunkReport

_ROUNDING_NS = 1_000_000


def committed_prefix(
    card: InterfaceCard, under_way: ChunkReport, stamp_ns: int, steps: int, observed: np.ndarray
) -> np.ndarray:
    """The first steps (C, D) of a chunk from an observation at stamp_ns [ns], as the chunk under way has them.

    C is ``steps``, or less where the chunk under way ends before, or 0 where its report does not say how it is planned.
    Grippers have the value of the step under way. observed: arm joints at the observation [rad], for relative actions.
    """
    none = np.empty((0, card.action_dim))
    planned, due = under_way.planned_actions, under_way.step_stamps_ns
    if not _fits(card, under_way):
        return none
    period = int(due[1] - due[0]) if len(due) > 1 else card.step_period_ns
    steps = min(steps, (int(due[-1]) + _ROUNDING_NS - stamp_ns) // period)
    if steps < 1:
        return none
    begin = int(due[0]) - period
    knots = np.concatenate([[0], due - begin]) * 1e-9
    times = (stamp_ns - begin + period * np.arange(steps + 1)) * 1e-9
    prefix = np.empty((steps, card.action_dim))
    joint = 0
    for index, arm in enumerate(card.arms):
        columns = card.arm_columns(arm.name)
        if card.action_space.is_cartesian:
            anchor = np.array(under_way.anchor[7 * index : 7 * index + 7])
            prefix[:, columns] = _tool_steps(card.action_space, planned[:, columns], anchor, knots, times)
        else:
            joints = slice(joint, joint + len(arm.joints))
            anchor = np.array(under_way.anchor[joints])
            prefix[:, columns] = _joint_steps(card.action_space, planned[:, columns], anchor, observed[joints], knots, times)
            joint = joints.stop
        gripper = card.gripper_column(arm.name)
        if gripper is not None:
            step = np.searchsorted(knots[1:], times[1:] - _ROUNDING_NS * 1e-9)
            prefix[:, gripper] = planned[np.minimum(step, len(planned) - 1), gripper]
    return prefix


def _fits(card: InterfaceCard, report: ChunkReport) -> bool:
    """It holds a plan that can be read."""
    anchors = sum(7 if card.action_space.is_cartesian else len(arm.joints) for arm in card.arms)
    planned, due = report.planned_actions, report.step_stamps_ns
    known = report.action_space is card.action_space and report.names == tuple(card.action.names)
    return known and len(planned) > 0 and len(report.anchor) == anchors and bool(
        np.isfinite(planned).all() and np.isfinite(report.anchor).all() and (np.diff(due) > 0).all()
    )  # fmt: skip


def _joint_steps(
    space: ActionSpace, planned: np.ndarray, anchor: np.ndarray, observed: np.ndarray, knots: np.ndarray, times: np.ndarray
) -> np.ndarray:
    if space is ActionSpace.JOINT_DELTA:
        path = anchor + np.concatenate([np.zeros((1, len(anchor))), np.cumsum(planned, axis=0)])
    else:
        path = np.concatenate([[anchor], anchor + planned if space is ActionSpace.JOINT_RELATIVE else planned])
    q = _interpolated(path, knots, times)
    if space is ActionSpace.JOINT_DELTA:
        return np.diff(q, axis=0)
    return q[1:] - observed if space is ActionSpace.JOINT_RELATIVE else q[1:]


def _tool_steps(
    space: ActionSpace, planned: np.ndarray, anchor: np.ndarray, knots: np.ndarray, times: np.ndarray
) -> np.ndarray:
    turns = Rotation.from_rotvec(planned[:, 3:])
    if space is ActionSpace.EE_DELTA:
        positions = anchor[:3] + np.concatenate([np.zeros((1, 3)), np.cumsum(planned[:, :3], axis=0)])
        rotations = list(accumulate(turns, lambda before, turn: turn * before, initial=Rotation.from_quat(anchor[3:])))
    else:
        positions = np.concatenate([anchor[None, :3], planned[:, :3]])
        rotations = [Rotation.from_quat(anchor[3:]), *turns]
    p = _interpolated(positions, knots, times)
    turned = Slerp(knots, Rotation.concatenate(rotations))(np.clip(times, knots[0], knots[-1]))
    if space is ActionSpace.EE_DELTA:
        return np.hstack([np.diff(p, axis=0), (turned[1:] * turned[:-1].inv()).as_rotvec()])
    return np.hstack([p[1:], turned[1:].as_rotvec()])


def _interpolated(path: np.ndarray, knots: np.ndarray, times: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(times, knots, column) for column in path.T], axis=1)
