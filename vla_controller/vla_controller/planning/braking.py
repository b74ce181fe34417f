"""From any state to rest, and from rest to rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_DURATIONS = np.arange(0.10, 2.01, 0.02)  # [s]


@dataclass(frozen=True)
class Segment:
    """One quintic to rest: its duration [ns] and where it ends (J,) [rad]."""

    duration_ns: int
    q_end: np.ndarray


class Stops:
    """The stops of least squared jerk with a free end from (q, v, a), each array (J,), shortest first.

    Only those that keep to these acceleration [rad/s^2] and jerk [rad/s^3] limits, (J,); an acceleration already beyond
    its limit may stay where it is. Never empty: the longest stop is the last resort.
    """

    def __init__(
        self, q: np.ndarray, v: np.ndarray, a: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray
    ) -> None:
        self._state = q, v, a
        T = _DURATIONS[:, None]
        # velocity is the cubic from (v, a) to (0, 0), so acceleration is a parabola and jerk a line
        c2, c3 = -(3.0 * v + 2.0 * a * T), 2.0 * v + a * T
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = np.nan_to_num(np.clip(-c2 / (3.0 * c3), 0.0, 1.0))
        peak_acceleration = np.abs(a * T + vertex * (2.0 * c2 + 3.0 * vertex * c3)) / T
        peak_jerk = np.maximum(np.abs(2.0 * c2), np.abs(2.0 * c2 + 6.0 * c3)) / (T * T)
        allowed = np.maximum(acceleration, np.abs(a)) * (1.0 + 1e-9)
        fits = np.all((peak_acceleration <= allowed) & (peak_jerk <= jerk), axis=1)
        self._durations = _DURATIONS[fits] if fits.any() else _DURATIONS[-1:]

    def __len__(self) -> int:
        return len(self._durations)

    def __getitem__(self, index: int) -> Segment:
        q, v, a = self._state
        T = float(self._durations[index])
        return Segment(round(T * 1e3) * 1_000_000, q + v * T / 2.0 + a * T * T / 12.0)


def rest_to_rest_duration(
    distance: np.ndarray, velocity: np.ndarray, acceleration: np.ndarray, jerk: np.ndarray
) -> float:
    """Shortest duration [s] of the minimum-jerk motion over distance (J,) [rad] under these limits, each (J,)."""
    d = np.abs(distance)
    return float(np.max([1.875 * d / velocity, np.sqrt(5.7736 * d / acceleration), np.cbrt(60.0 * d / jerk)]))
