"""The scripted expert behind the policy interface, with the disturbances that make demonstrations contain recoveries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vla_contract.observation import VLAObservation
from vla_controller.controller import ChunkController
from vla_motion.model import RobotModel
from vla_policy.policy import NOTHING_ASKED, Ask, Decision
from vla_sim.expert import Expert
from vla_sim.world import SimWorld


class Disturbance:
    """Pushes that last a while: a drift of the tool, at times a slip of the gripper.

    Labels stay the expert's undisturbed plan, so that what is learned from the places it is pushed to is the way back.

    Args:
        rng: Source of all draws.
        step_period: Time between two actions [s].
        strength: Scale of everything; 0 is none.
    """

    def __init__(self, rng: np.random.Generator, step_period: float, strength: float = 1.0) -> None:
        self._rng = rng
        self._dt = step_period
        self._strength = strength
        self._left = 0
        self._drift = np.zeros(6)
        self._gripper: float | None = None

    def step(self) -> tuple[np.ndarray, float | None]:
        """What to add to this step's pose delta, shape (6,) [m, rad], and a gripper value instead of the plan's, or None."""
        if self._strength == 0.0:
            return np.zeros(6), None
        if self._left == 0:
            self._left = int(self._rng.integers(2, 8))
            kind = self._rng.random()
            self._gripper = None
            self._drift = np.zeros(6)
            if kind < 0.45:
                self._drift[:3] = self._rng.normal(0.0, 0.045 * self._dt, 3)
                self._drift[3:] = self._rng.normal(0.0, 0.18 * self._dt, 3)
            elif kind < 0.57:
                self._drift[:3] = self._rng.normal(0.0, 0.13 * self._dt, 3)
                self._drift[5] = self._rng.normal(0.0, 0.5 * self._dt)
            elif kind < 0.60:
                self._left = 4
                self._gripper = float(self._rng.random() < 0.5)
            self._drift *= self._strength
        self._left -= 1
        return self._drift.copy(), self._gripper


class ExpertPolicy:
    """Plans from ground truth, at the commanded pose of the observation's stamp.

    Args:
        world: Simulator whose task it solves.
        model: Kinematics of the card's arm.
        controller: Gives the controller of the trial under way.
        disturbance: Applied to what is executed, never to `last_plan`.
    """

    def __init__(
        self,
        world: SimWorld,
        model: RobotModel,
        controller: Callable[[], ChunkController],
        disturbance: Callable[[], Disturbance] | None = None,
    ) -> None:
        self._world = world
        self._model = model
        self._controller = controller
        self._new_disturbance = disturbance
        self.last_plan = np.empty((0, 7))
        """The undisturbed plan of the last call. Shape (H, 7)."""

    def reset(self) -> None:
        """Start of a trial."""
        task = self._world.task
        self._expert = Expert(task.target, task.destination, self._world.card.action.step_period)
        self._disturbance = self._new_disturbance() if self._new_disturbance else None

    def infer(self, observation: VLAObservation, ask: Ask = NOTHING_ASKED) -> Decision:
        """Actions of the card's horizon, EE_DELTA and gripper. Shape (H, 7), [m, rad]."""
        commanded = self._controller().commanded_at(observation.stamp_ns)
        if commanded is None:
            tool = self._world.tool_pose()
        else:
            tool = self._model.forward(commanded[0])
        self.last_plan = self._expert.plan(self._world.expert_state(tool), self._world.card.action.horizon)
        actions = self.last_plan.copy()
        if self._disturbance is not None:
            drift, gripper = self._disturbance.step()
            actions[:3, :6] += drift
            if gripper is not None:
                actions[:, 6] = gripper
        return Decision(actions)
