"""Between the six action spaces and absolute targets.

Three things with absolute, never mixed: *absolute* actions stand for themselves, *relative* ones count
from the observed state, *delta* ones from the previous action, the first from the commanded motion at the
observation. Rotations are rotation vectors, multiplied from the left in the base frame. Gripper columns
are absolute in every space and pass through untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_motion import rotation
from vla_motion.kernels.chain import step_on

__all__ = [
    "Anchors",
    "Targets",
    "actions_from_targets",
    "ee_delta_targets",
    "ee_pose_targets",
    "ee_relative_targets",
    "is_cartesian",
    "joint_delta_targets",
    "joint_relative_targets",
    "joints_to_joint_delta",
    "joints_to_joint_relative",
    "poses_to_ee_delta",
    "poses_to_ee_pose",
    "poses_to_ee_relative",
    "targets_from_actions",
]

_CARTESIAN = frozenset((ActionSpace.EE_POSE, ActionSpace.EE_RELATIVE, ActionSpace.EE_DELTA))


def is_cartesian(space: ActionSpace) -> bool:
    """True for the spaces whose motion columns are x, y, z, rx, ry, rz of the tool in the base frame."""
    return ActionSpace(space) in _CARTESIAN


def ee_delta_targets(T_anchor: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Tool targets (H, 4, 4) of EE_DELTA actions (H, 6) [m, rad]: each step moves on from the one before.

    T_anchor (4, 4) is the commanded pose at the stamp of the observation.
    """
    actions = _checked(actions, 6)
    T = np.empty((len(actions), 4, 4))
    step_on(np.array(T_anchor, dtype=np.float64, order="C"), np.array(actions, order="C"), T)
    return T


def poses_to_ee_delta(T_anchor: np.ndarray, T_targets: np.ndarray) -> np.ndarray:
    """EE_DELTA actions (H, 6) that lead from T_anchor (4, 4) through T_targets (H, 4, 4)."""
    T_targets = np.asarray(T_targets, dtype=np.float64)
    before = np.concatenate([np.asarray(T_anchor, dtype=np.float64)[None], T_targets[:-1]])
    return rotation.left_difference(before[: len(T_targets)], T_targets)


def ee_relative_targets(T_reference: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Tool targets (H, 4, 4) of EE_RELATIVE actions (H, 6) [m, rad], all counted from T_reference (4, 4)."""
    return rotation.compose_left(np.asarray(T_reference, dtype=np.float64)[None], _checked(actions, 6))


def poses_to_ee_relative(T_reference: np.ndarray, T_targets: np.ndarray) -> np.ndarray:
    """EE_RELATIVE actions (H, 6) of tool targets (H, 4, 4), counted from T_reference (4, 4)."""
    return rotation.left_difference(np.asarray(T_reference, dtype=np.float64)[None], T_targets)


def ee_pose_targets(actions: np.ndarray) -> np.ndarray:
    """Tool targets (H, 4, 4) of EE_POSE actions (H, 6): position [m], rotation vector [rad], base frame."""
    return rotation.vector_to_pose(_checked(actions, 6))


def poses_to_ee_pose(T_targets: np.ndarray) -> np.ndarray:
    """EE_POSE actions (H, 6) of tool targets (H, 4, 4)."""
    return rotation.pose_to_vector(T_targets)


def joint_delta_targets(q_anchor: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Joint targets (H, J) of JOINT_DELTA actions (H, J) [rad].

    q_anchor (J,) is the commanded position at the stamp of the observation.
    """
    q_anchor = np.asarray(q_anchor, dtype=np.float64)
    return q_anchor + np.cumsum(_checked(actions, len(q_anchor)), axis=0)


def joints_to_joint_delta(q_anchor: np.ndarray, q_targets: np.ndarray) -> np.ndarray:
    """JOINT_DELTA actions (H, J) that lead from q_anchor (J,) through q_targets (H, J) [rad]."""
    q_targets = np.asarray(q_targets, dtype=np.float64)
    steps = np.empty_like(q_targets)  # np.diff takes several times as long for so few
    np.subtract(q_targets[:1], q_anchor, out=steps[:1])
    np.subtract(q_targets[1:], q_targets[:-1], out=steps[1:])
    return steps


def joint_relative_targets(q_reference: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Joint targets (H, J) of JOINT_RELATIVE actions (H, J) [rad], all counted from q_reference (J,)."""
    q_reference = np.asarray(q_reference, dtype=np.float64)
    return q_reference + _checked(actions, len(q_reference))


def joints_to_joint_relative(q_reference: np.ndarray, q_targets: np.ndarray) -> np.ndarray:
    """JOINT_RELATIVE actions (H, J) of joint targets (H, J) [rad], counted from q_reference (J,)."""
    return np.asarray(q_targets, dtype=np.float64) - np.asarray(q_reference, dtype=np.float64)


@dataclass(frozen=True)
class Anchors:
    """What relative and delta actions count from; only what the space needs has to be given.

    T_commanded (4, 4), q_commanded (J,): the commanded motion at the stamp of the observation (delta spaces).
    T_observed (4, 4), q_observed (J,): the observed state, from the chunk's reference_positions (relative
    spaces).
    """

    T_commanded: np.ndarray | None = None
    q_commanded: np.ndarray | None = None
    T_observed: np.ndarray | None = None
    q_observed: np.ndarray | None = None

    def required(self, field: str, space: ActionSpace) -> np.ndarray:
        """The named anchor; ValueError where it was not given."""
        value = getattr(self, field)
        if value is None:
            raise ValueError(f"{ActionSpace(space).name} needs the anchor {field}, which was not given")
        return np.asarray(value, dtype=np.float64)


@dataclass(frozen=True)
class Targets:
    """Absolute targets: exactly one of T (H, 4, 4) [m] and q (H, J) [rad]; gripper (H, G) as given."""

    T: np.ndarray | None
    q: np.ndarray | None
    gripper: np.ndarray

    def __len__(self) -> int:
        return len(self.gripper)


def targets_from_actions(
    space: ActionSpace, actions: np.ndarray, anchors: Anchors, gripper_columns: Sequence[int] = ()
) -> Targets:
    """Absolute targets of the actions (H, D) of one arm in any space.

    gripper_columns: columns that are not motion. Raises ValueError for a missing anchor or a wrong number
    of columns.
    """
    space = ActionSpace(space)
    actions = np.asarray(actions, dtype=np.float64)
    motion, gripper = _split(actions, gripper_columns)
    T = q = None
    if space == ActionSpace.JOINT_POSITION:
        q = motion.copy()
    elif space == ActionSpace.JOINT_RELATIVE:
        q = joint_relative_targets(anchors.required("q_observed", space), motion)
    elif space == ActionSpace.JOINT_DELTA:
        q = joint_delta_targets(anchors.required("q_commanded", space), motion)
    elif space == ActionSpace.EE_POSE:
        T = ee_pose_targets(motion)
    elif space == ActionSpace.EE_RELATIVE:
        T = ee_relative_targets(anchors.required("T_observed", space), motion)
    else:
        T = ee_delta_targets(anchors.required("T_commanded", space), motion)
    return Targets(T, q, gripper)


def actions_from_targets(
    space: ActionSpace, targets: Targets, anchors: Anchors, gripper_columns: Sequence[int] = ()
) -> np.ndarray:
    """Actions (H, D) of absolute targets, the inverse of targets_from_actions.

    Raises ValueError when the targets are of the other family (joints for a Cartesian space or the
    reverse) or an anchor is missing.
    """
    space = ActionSpace(space)
    absolute = targets.T if is_cartesian(space) else targets.q
    if absolute is None:
        kind = "tool poses (T)" if is_cartesian(space) else "joint positions (q)"
        raise ValueError(f"{space.name} is made of {kind}, which these targets do not have")
    if space == ActionSpace.JOINT_POSITION:
        motion = np.array(absolute, dtype=np.float64)
    elif space == ActionSpace.JOINT_RELATIVE:
        motion = joints_to_joint_relative(anchors.required("q_observed", space), absolute)
    elif space == ActionSpace.JOINT_DELTA:
        motion = joints_to_joint_delta(anchors.required("q_commanded", space), absolute)
    elif space == ActionSpace.EE_POSE:
        motion = poses_to_ee_pose(absolute)
    elif space == ActionSpace.EE_RELATIVE:
        motion = poses_to_ee_relative(anchors.required("T_observed", space), absolute)
    else:
        motion = poses_to_ee_delta(anchors.required("T_commanded", space), absolute)
    return _join(motion, targets.gripper, gripper_columns)


def _checked(actions: np.ndarray, columns: int) -> np.ndarray:
    actions = np.asarray(actions, dtype=np.float64)
    if actions.ndim != 2 or actions.shape[1] != columns:
        raise ValueError(
            f"actions have shape {actions.shape}, allowed is (steps, {columns}) without gripper columns"
        )
    return actions


def _split(actions: np.ndarray, gripper_columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    if actions.ndim != 2:
        raise ValueError(f"actions have shape {actions.shape}, allowed is (steps, columns)")
    gripper_columns = list(gripper_columns)
    return np.delete(actions, gripper_columns, axis=1), actions[:, gripper_columns]


def _join(motion: np.ndarray, gripper: np.ndarray, gripper_columns: Sequence[int]) -> np.ndarray:
    gripper_columns = list(gripper_columns)
    actions = np.empty((len(motion), motion.shape[1] + len(gripper_columns)))
    actions[:, gripper_columns] = gripper
    actions[:, [c for c in range(actions.shape[1]) if c not in gripper_columns]] = motion
    return actions
