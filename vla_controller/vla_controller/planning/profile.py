"""The fastest motion from rest to rest along a way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Profile:
    """From 0 at rest to 1 at rest in seven phases of constant jerk.

    jerk [1/s^3]: of the phases, with its sign or none. phases (7,) [s]: how long they last, some of them not at all.
    """

    jerk: float
    phases: np.ndarray

    @classmethod
    def fastest(cls, velocity: float, acceleration: float, jerk: float) -> Profile:
        """Within a velocity [1/s], acceleration [1/s^2] and jerk [1/s^3].

        After L. Biagiotti and C. Melchiorri, Trajectory Planning for Automatic Machines and Robots (2008), section 3.4.
        """
        rising = min(np.cbrt(0.5 / jerk), np.sqrt(velocity / jerk), acceleration / jerk)
        # the longest time of constant acceleration that neither the speed nor the way forbids
        steady = max(0.0, min(velocity / (jerk * rising) - rising, _steady(jerk, rising)))
        peak = jerk * rising * (rising + steady)
        cruise = max(0.0, 1.0 / peak - 2.0 * rising - steady)
        return cls(jerk, np.array([rising, steady, rising, cruise, rising, steady, rising]))

    @property
    def seconds(self) -> float:
        return float(self.phases.sum())

    @property
    def peak(self) -> float:
        """Its highest velocity [1/s]."""
        return self.jerk * float(self.phases[0] * (self.phases[0] + self.phases[1]))

    def lasting(self, seconds: float) -> Profile:
        """The same way, slower throughout."""
        factor = seconds / self.seconds
        return Profile(self.jerk / factor**3, self.phases * factor)

    def sample(self, times: np.ndarray) -> np.ndarray:
        """Position, velocity and acceleration (3, N) at times (N,) [s] from the start; before it at 0, afterwards at 1."""
        edges = np.concatenate([[0.0], np.cumsum(self.phases)])
        jerks = self.jerk * np.array([1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0])
        states = np.zeros((8, 3))
        for k, (jerk, dt) in enumerate(zip(jerks, self.phases)):
            states[k + 1] = _onward(states[k], jerk, dt)
        states[-1] = 1.0, 0.0, 0.0  # rounding
        times = np.clip(times, 0.0, edges[-1])
        phase = np.clip(np.searchsorted(edges, times, side="right") - 1, 0, 6)
        found = _onward(states[phase].T, jerks[phase], times - edges[phase])
        found[:, times >= edges[-1]] = states[-1][:, None]
        return found


def _steady(jerk: float, rising: float) -> float:
    """Time of constant acceleration [s] with which speeding up and slowing down at once are the whole way."""
    # 1 = jerk * rising * (rising + steady) * (2 * rising + steady)
    return float((-3.0 * rising + np.sqrt(rising**2 + 4.0 / (jerk * rising))) / 2.0)


def _onward(state: np.ndarray, jerk: np.ndarray | float, dt: np.ndarray | float) -> np.ndarray:
    s, v, a = state
    return np.array([s + dt * (v + dt * (a / 2.0 + dt * jerk / 6.0)), v + dt * (a + dt * jerk / 2.0), a + dt * jerk])
