"""What an arm must never exceed, and whether a curve does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vla_contract.card import LimitsCard
from vla_motion.model import RobotModel
from vla_motion.spline import quintic_coefficients

SHARE = 0.98  # of each limit on a derivative is planned to
_SAMPLES = 8
_AXES = "xyz"


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
        return f"{self.limit} exceeded by {self.amount:.4g}"


@lru_cache(maxsize=8)
def _basis(samples: int) -> np.ndarray:
    """(4, samples, 6): factors of the coefficients in position, velocity, acceleration, jerk, evenly in (0, 1]."""
    s = np.arange(1, samples + 1) / samples
    basis = np.zeros((4, samples, 6))
    for order in range(4):
        for power in range(order, 6):
            basis[order, :, power] = math.perm(power, order) * s ** (power - order)
    return basis


def sample_knots(
    times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray, samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """(4, N-1, samples, J): q, v, a and jerk after each knot (N), up to and including the next; their times [s],
    (N-1, samples), from the first knot."""
    T = np.diff(times_ns) * 1e-9
    h = T[:, None]
    # of the normalised segment, so that all coefficients are of the size of an angle
    C = quintic_coefficients(1.0, q[:-1], v[:-1] * h, a[:-1] * h * h, q[1:], v[1:] * h, a[1:] * h * h)
    values = np.einsum("dsk,knj->dnsj", _basis(samples), C)
    values[1:] /= np.stack([T, T**2, T**3])[:, :, None, None]
    times = (times_ns[:-1] - times_ns[0])[:, None] * 1e-9 + T[:, None] * np.arange(1, samples + 1) / samples
    return values, times


def check_curve(
    limits: Limits,
    model: RobotModel,
    times_ns: np.ndarray,
    q: np.ndarray,
    v: np.ndarray,
    a: np.ndarray,
    *,
    samples: int = _SAMPLES,
) -> Violation | None:
    """The worst violation along the knots (N) and between them, by dense samples; None where there is none.

    samples: for each segment, for the joints; every second one is taken for the tool. times_ns (N,) int64; q, v, a
    (N, J). A curve that begins outside a position limit or the workspace may go on as far outside as it began, never
    further.
    """
    values, times = sample_knots(times_ns, q, v, a, samples)
    joints = q.shape[1]
    positions, velocities, accelerations, jerks = values.reshape(4, -1, joints)
    return (
        _beyond_positions(limits, model, positions, q[0])
        or _beyond(model, "velocity", velocities, np.maximum(limits.velocity, np.abs(v[0])), samples)
        or _beyond(model, "acceleration", accelerations, np.maximum(limits.acceleration, np.abs(a[0])), samples)
        or _beyond(model, "jerk", jerks, limits.jerk, samples)
        or _beyond_tool(limits, model, q[0], positions[1::2], np.concatenate([[0.0], times.ravel()[1::2]]))
    )


def _beyond(model: RobotModel, kind: str, values: np.ndarray, limit: np.ndarray, samples: int) -> Violation | None:
    peaks = np.abs(values).max(axis=0)
    ratios = peaks / limit - 1.0
    joint = int(np.argmax(ratios))
    if ratios[joint] <= 1e-9:
        return None
    segment = int(np.argmax(np.abs(values[:, joint]))) // samples
    return Violation(f"{kind} {model.joints[joint]}", float(peaks[joint] - limit[joint]), float(ratios[joint]), segment)


def _beyond_positions(limits: Limits, model: RobotModel, q: np.ndarray, start: np.ndarray) -> Violation | None:
    below = np.minimum(limits.lower, start) - q.min(axis=0)
    above = q.max(axis=0) - np.maximum(limits.upper, start)
    beyond = np.maximum(below, above)
    joint = int(np.argmax(beyond))
    if beyond[joint] <= 1e-9:
        return None
    return Violation(f"position {model.joints[joint]}", float(beyond[joint]), float(beyond[joint]))


def _beyond_tool(
    limits: Limits, model: RobotModel, start: np.ndarray, q: np.ndarray, times: np.ndarray
) -> Violation | None:
    T = model.forward_batch(np.concatenate([start[None], q]))
    p = T[:, :3, 3]
    beyond = np.maximum(
        np.minimum(limits.box_lower, p[0]) - p.min(axis=0), p.max(axis=0) - np.maximum(limits.box_upper, p[0])
    )
    axis = int(np.argmax(beyond))
    if beyond[axis] > 1e-9:
        return Violation(f"workspace {_AXES[axis]}", float(beyond[axis]), float(beyond[axis]))
    # chords over short segments are ruled by rounding
    steps = np.diff(times)
    long_enough = steps > 1e-4
    speed = np.linalg.norm(np.diff(p, axis=0), axis=1)[long_enough] / steps[long_enough]
    chord = np.linalg.norm(np.diff(T[:, :3, :3], axis=0), axis=(1, 2))[long_enough]
    turning = 2.0 * np.arcsin(np.minimum(chord / np.sqrt(8.0), 1.0)) / steps[long_enough]
    for name, values, limit in (
        ("tool_speed", speed, limits.tool_speed),
        ("tool_angular_speed", turning, limits.tool_angular_speed),
    ):
        peak = float(values.max(initial=0.0))
        if peak > limit * (1.0 + 1e-9):
            return Violation(name, peak - limit, peak / limit - 1.0)
    return None
