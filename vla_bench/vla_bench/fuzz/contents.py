"""What chunks ask for: smooth motion as of an expert, noise, jumps, standing still, and numbers without sense."""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.geometry import frames
from vla_bench.fuzz.robots import Robot
from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_motion.action_conversion import (
    ee_relative_targets,
    poses_to_ee_delta,
    poses_to_ee_pose,
    poses_to_ee_relative,
)

KINDS = ("smooth", "noise", "jump", "huge", "zero", "shake", "far", "turn", "drive")
_SHARES = (0.46, 0.12, 0.08, 0.06, 0.06, 0.08, 0.06, 0.04, 0.04)


class Wishes:
    """The motion that the policy of one episode has in mind, from which each chunk takes its part.

    A sum of two slow sine waves for each axis of the tool, or each joint, as a displacement over time.
    """

    def __init__(self, rng: np.random.Generator, card: InterfaceCard, robot: Robot) -> None:
        self._rng, self._card, self._robot = rng, card, robot
        self.space = card.action_space
        self._waves = []
        self._driving = 0
        self._drive: list[np.ndarray] = []
        for arm in card.arms:
            limits = arm.limits
            if self.space.is_cartesian:
                speeds = np.array([limits.tool_speed] * 3 + [limits.tool_angular_speed] * 3)
            else:
                speeds = np.array(limits.velocity)
            share = np.exp(rng.uniform(np.log(0.02), np.log(0.6)))
            frequency = np.exp(rng.uniform(np.log(0.3), np.log(5.0), (2, len(speeds))))
            amplitude = share * rng.uniform(0.2, 1.0, frequency.shape) * speeds / frequency / 2.0
            self._drive.append(rng.normal(size=len(speeds)) * speeds * 0.4)
            if self.space.is_cartesian and rng.random() < 0.5:
                self._drive[-1][:2] *= 0.2
                self._drive[-1][2] = -abs(self._drive[-1][2])
            self._waves.append((frequency, amplitude, rng.uniform(0.0, 2.0 * np.pi, frequency.shape)))

    def displacement(self, arm: int, t: np.ndarray) -> np.ndarray:
        """(M, n) of an arm's axes at times t (M,) [s]."""
        frequency, amplitude, phase = self._waves[arm]
        return (amplitude * np.sin(frequency * t[:, None, None] + phase)).sum(axis=1)

    def actions(self, kind: str, t_ns: int, horizon: int, commanded: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Actions (horizon, D) of a chunk whose observation is of t_ns.

        commanded, observed (arms, J) [rad]: what an absolute chunk counts from, and what a relative one does.
        """
        period = self._card.step_period_ns * 1e-9
        t = t_ns * 1e-9 + period * np.arange(horizon + 1)
        columns: list[np.ndarray] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for arm in range(len(self._card.arms)):
                path = self.displacement(arm, t)
                offsets = self._altered(kind, path[1:] - path[0], arm)
                columns.append(self._in_space(offsets, arm, commanded[arm], observed[arm]))
                if kind == "huge" and self._rng.random() < 0.7:
                    self._make_huge(columns[-1])
                if self._card.arms[arm].gripper is not None:
                    columns.append(self._gripper(horizon))
        return np.hstack(columns)

    def _altered(self, kind: str, offsets: np.ndarray, arm: int) -> np.ndarray:
        rng = self._rng
        steps, axes = offsets.shape
        size = np.full(axes, 0.05) if self.space.is_cartesian else np.full(axes, 0.1)
        if kind == "noise":
            return offsets + rng.normal(size=offsets.shape) * size * 10.0 ** rng.uniform(-3, 0.3)
        if kind == "jump":
            at = int(rng.integers(steps))
            jumped = offsets.copy()
            jumped[at:] += rng.normal(size=axes) * size * 10.0 ** rng.uniform(0, 1)
            return jumped
        if kind == "zero":
            return np.zeros_like(offsets)
        if kind == "shake":
            return offsets + rng.normal(size=axes) * size * np.where(np.arange(steps) % 2, 1.0, -1.0)[:, None]
        if kind == "far":
            ramp = np.minimum(1.0, np.arange(1, steps + 1) / rng.integers(1, steps + 1))
            return offsets + ramp[:, None] * rng.normal(size=axes) * size * 30.0
        if kind == "drive":  # on and on in the direction of this episode, into whatever lies there
            period = self._card.step_period_ns * 1e-9
            return offsets + np.arange(1, steps + 1)[:, None] * period * self._drive[arm]
        if kind == "turn":
            turned = offsets.copy()
            turned[:, -3:] += rng.normal(size=3) * rng.choice([1.0, np.pi, 10.0])
            return turned
        return offsets

    def _in_space(self, offsets: np.ndarray, arm: int, commanded: np.ndarray, observed: np.ndarray) -> np.ndarray:
        space = self.space
        if space.is_cartesian:
            T = self._pose(commanded)
            targets = ee_relative_targets(T, offsets)
            if space is ActionSpace.EE_POSE:
                return poses_to_ee_pose(targets)
            if space is ActionSpace.EE_RELATIVE:
                return poses_to_ee_relative(self._pose(observed), targets)
            return poses_to_ee_delta(T, targets)
        targets = commanded + offsets
        if space is ActionSpace.JOINT_POSITION:
            return targets
        if space is ActionSpace.JOINT_RELATIVE:
            return targets - observed
        return np.diff(targets, axis=0, prepend=commanded[None])

    def _pose(self, q: np.ndarray) -> np.ndarray:
        at = frames(self._robot, q[None])
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = at.rotations[-1, 0], at.tool[0]
        return T

    def _make_huge(self, actions: np.ndarray) -> None:
        rng = self._rng
        if rng.random() < 0.5:
            actions *= 10.0 ** rng.uniform(0.5, 300)
            np.nan_to_num(actions, copy=False, posinf=1e308, neginf=-1e308)
            return
        for _ in range(int(rng.integers(1, 6))):
            place = tuple(int(rng.integers(n)) for n in actions.shape)
            actions[place] = rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(0, 308)

    def _gripper(self, horizon: int) -> np.ndarray:
        rng = self._rng
        kind = rng.random()
        if kind < 0.6:
            return np.full((horizon, 1), float(rng.random() < 0.5))
        if kind < 0.8:
            return (np.arange(horizon) >= rng.integers(horizon))[:, None].astype(float)
        if kind < 0.97:
            return rng.random((horizon, 1))
        return rng.normal(size=(horizon, 1)) * 10.0 ** rng.uniform(0, 300)

    def kind(self) -> str:
        """A kind of content, by its share. Some drive on for several chunks."""
        if self._driving > 0:
            self._driving -= 1
            return "drive"
        kind = str(self._rng.choice(KINDS, p=_SHARES))
        if kind == "drive":
            self._driving = int(self._rng.integers(0, 10))
        return kind
