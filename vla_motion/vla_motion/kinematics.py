"""Inverse kinematics by damped least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import eigenpy
import numpy as np
import pinocchio as pin

from .model import RobotModel

__all__ = ["IkPath", "IkResult", "inverse", "inverse_path", "solve_path"]

POSITION_TOLERANCE = 1e-4  # [m]
ROTATION_TOLERANCE = 1e-3  # [rad]
_MAX_STEP = 0.4  # [rad] largest change of a joint in one iteration
_LENGTH = 0.3  # [m] a metre of position error weighs as much as 1 / _LENGTH radians: about an arm's forearm
_IDENTITY = np.eye(6)
_PATIENCE = 12  # iterations without a better pose before giving up


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
    T_target = np.asarray(T_target, dtype=np.float64)
    q = np.array(q_seed, dtype=np.float64)
    if T_target.shape != (4, 4) or q.shape != (len(model.joints),):
        raise ValueError(
            f"target and seed have shapes {T_target.shape} and {q.shape}, "
            f"allowed are (4, 4) and ({len(model.joints)},)"
        )
    if not math.isfinite(T_target.sum() + q.sum()):
        raise ValueError("target or seed is not finite")
    # lists: at seven joints Python's own arithmetic is faster than NumPy's
    low = (model.lower if lower is None else np.asarray(lower, dtype=np.float64)).tolist()
    high = (model.upper if upper is None else np.asarray(upper, dtype=np.float64)).tolist()
    q = np.array([min(max(p, a), b) for p, a, b in zip(q.tolist(), low, high, strict=True)])
    target_position, target_rotation = T_target[:3, 3], T_target[:3, :3]
    error = np.empty(6)
    best = (math.inf, q, math.inf, math.inf)
    since_best = 0
    for iteration in range(max_iterations + 1):
        J = model.jacobian(q)
        tool = pin.updateFramePlacement(model.pin_model, model.pin_data, model.tool_id)
        error[:3] = target_position - tool.translation
        error[3:] = pin.log3(target_rotation.dot(tool.rotation.T))
        position_error = math.hypot(*error[:3].tolist())
        rotation_error = math.hypot(*error[3:].tolist())
        if position_error < position_tolerance and rotation_error < rotation_tolerance:
            return IkResult(q, position_error, rotation_error, True)
        merit = position_error / _LENGTH + rotation_error
        if merit < best[0] * (1.0 - 1e-3):
            best, since_best = (merit, q, position_error, rotation_error), 0
        else:
            since_best += 1
        if iteration == max_iterations or since_best > _PATIENCE:
            break
        q = _step(J, error, q, low, high, posture, 0.5 * 0.8**iteration)
    return IkResult(best[1], best[2], best[3], False)


def _step(
    J: np.ndarray,
    error: np.ndarray,
    q: np.ndarray,
    lower: Sequence[float],
    upper: Sequence[float],
    posture: np.ndarray | None,
    pull: float,
) -> np.ndarray:
    """Next joint positions: damped least squares over the joints that are free to move.

    pull: share of the way to the posture that is asked for; it fades over the iterations, for near a limit it
    would keep the tool from its target.
    """
    damping = 1e-6 + 0.02 * float(error.dot(error))  # grows with the error: unreachable targets do not thrash
    free = [1.0] * len(q)
    now = q.tolist()
    active = J
    while True:
        A = active.dot(active.T) + damping * _IDENTITY
        if posture is None:
            step = active.T.dot(eigenpy.LLT(A).solve(error)).tolist()
        else:
            wish = pull * (posture - q) * free
            step = (active.T.dot(eigenpy.LLT(A).solve(error - active.dot(wish))) + wish).tolist()
        largest = max(max(step), -min(step))
        scale = _MAX_STEP / largest if largest > _MAX_STEP else 1.0
        moved = []
        stuck = False
        for i, (position, change, low, high) in enumerate(zip(now, step, lower, upper, strict=True)):
            new = position + scale * change
            new = low if new < low else high if new > high else new
            moved.append(new)
            # a joint at its limit that is pushed out of it takes no part; the others make up for it
            if new == position and free[i] and abs(change) > 1e-9:
                free[i], stuck = 0.0, True
        if not stuck or not any(free):
            return np.array(moved)
        active = J * free


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
