"""Inverse kinematics by damped least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vla_motion.kernels.inverse import solve_pose
from vla_motion.model import RobotModel

__all__ = ["IkPath", "IkResult", "inverse", "inverse_path", "solve_path"]

POSITION_TOLERANCE = 1e-4  # [m]
ROTATION_TOLERANCE = 1e-3  # [rad]


@dataclass(frozen=True)
class IkResult:
    """q (J,) [rad], the best found; position_error [m] and rotation_error [rad] left there."""

    q: np.ndarray
    position_error: float
    rotation_error: float
    converged: bool


@dataclass(frozen=True)
class IkPath:
    """q (N, J) [rad]; position_error [m], rotation_error [rad] and converged, each (N,)."""

    q: np.ndarray
    position_error: np.ndarray
    rotation_error: np.ndarray
    converged: np.ndarray


def inverse(
    model: RobotModel,
    T_target: np.ndarray,
    q_seed: np.ndarray,
    *,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    posture: np.ndarray | None = None,
    position_tolerance: float = POSITION_TOLERANCE,
    rotation_tolerance: float = ROTATION_TOLERANCE,
    max_iterations: int = 100,
) -> IkResult:
    """Joint positions that bring the tool to T_target (4, 4), searched from q_seed (J,) [rad].

    lower, upper (J,) [rad]: limits, the model's by default; q stays inside. posture (J,) [rad]: preferred
    positions, approached only as far as the tool is not moved by it. tolerances [m], [rad].
    An unreachable target gives the nearest pose found, with converged False. Raises ValueError for a
    target or seed that is not finite or of the wrong shape.
    """
    T_target = np.ascontiguousarray(T_target, dtype=np.float64)
    q = np.array(q_seed, dtype=np.float64)
    if T_target.shape != (4, 4) or q.shape != (len(model.joints),):
        raise ValueError(
            f"target and seed have shapes {T_target.shape} and {q.shape}, "
            f"allowed are (4, 4) and ({len(model.joints)},)"
        )
    if not math.isfinite(T_target.sum() + q.sum()):
        raise ValueError("target or seed is not finite")
    low = model.lower if lower is None else np.ascontiguousarray(lower, dtype=np.float64)
    high = model.upper if upper is None else np.ascontiguousarray(upper, dtype=np.float64)
    wish = q if posture is None else np.ascontiguousarray(posture, dtype=np.float64)
    errors = np.empty(2)
    converged = solve_pose(
        model.chain, T_target, low, high, wish.copy(), posture is not None, position_tolerance, rotation_tolerance,
        max_iterations, q, errors,
    )  # fmt: skip
    return IkResult(q, float(errors[0]), float(errors[1]), converged)


def solve_path(
    model: RobotModel,
    T_targets: np.ndarray,
    q_start: np.ndarray,
    *,
    lower: np.ndarray | None = None,
    upper: np.ndarray | None = None,
    posture: np.ndarray | None = None,
    position_tolerance: float = POSITION_TOLERANCE,
    rotation_tolerance: float = ROTATION_TOLERANCE,
    max_iterations: int = 30,
) -> IkPath:
    """Joint path through T_targets (N, 4, 4), each solved from the one before, the first from q_start (J,).

    Options as for inverse(). A target that is not reached does not end the path.
    """
    count = len(T_targets)
    path = IkPath(
        np.empty((count, len(model.joints))), np.empty(count), np.empty(count), np.empty(count, dtype=bool)
    )
    q = np.asarray(q_start, dtype=np.float64)
    for i in range(count):
        result = inverse(
            model,
            T_targets[i],
            q,
            lower=lower,
            upper=upper,
            posture=posture,
            position_tolerance=position_tolerance,
            rotation_tolerance=rotation_tolerance,
            max_iterations=max_iterations,
        )
        q = path.q[i] = result.q
        path.position_error[i], path.rotation_error[i] = result.position_error, result.rotation_error
        path.converged[i] = result.converged
    return path


def inverse_path(model: RobotModel, T_targets: np.ndarray, q_start: np.ndarray, **options) -> np.ndarray:
    """The joint positions (N, J) [rad] of solve_path(), which also tells the errors; options as there."""
    return solve_path(model, T_targets, q_start, **options).q
