"""How far a policy's actions are from the expert's, at the states that the policy itself visited."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vla_contract.observation import VLAObservation
from vla_controller.controller import ChunkController
from vla_sim.expert import Expert
from vla_trials.lockstep.simulated_cell import SimulatedCell
from vla_trials.trials.result import Accuracy


class ActionAccuracy:
    """Follows one trial: the first step of each chunk against the expert's step from the same state.

    The expert speaks EE_DELTA of one arm with a gripper. For any other card nothing is measured.

    Args:
        controller: Gives the controller of the trial under way.
    """

    def __init__(self, cell: SimulatedCell, controller: Callable[[], ChunkController]) -> None:
        self._cell, self._controller = cell, controller
        self._measures = cell.card.action.space == "EE_DELTA" and cell.card.action_dim == 7
        self._expert: Expert | None = None
        self._errors: list[np.ndarray] = []

    def see(self, observation: VLAObservation, actions: np.ndarray) -> None:
        """An observation and the actions decided on it, shape (H, 7), before the controller has them."""
        if not self._measures or not np.isfinite(actions[0]).all():
            return
        world = self._cell.world
        if self._expert is None:
            task = world.task
            self._expert = Expert(task.target, task.destination, world.card.action.step_period)
        commanded = self._controller().commanded_at(observation.stamp_ns)
        tool = world.tool_pose() if commanded is None else self._cell.model.forward(commanded[0])
        self._errors.append(np.abs(actions[0] - self._expert.act(world.expert_state(tool))))

    def figures(self) -> Accuracy:
        """Over the steps seen so far."""
        if not self._errors:
            return Accuracy()
        errors = np.array(self._errors)
        return Accuracy(
            action_error_mm=round(float(errors[:, :3].mean()) * 1e3, 4),
            action_error_deg=round(float(np.degrees(errors[:, 3:6].mean())), 4),
            gripper_agreement=round(float((errors[:, 6] < 0.5).mean()), 4),
        )
