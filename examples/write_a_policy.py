"""A policy of your own: `infer` and `reset`, nothing else. This one moves the tool up, and goes through the real controller."""

import numpy as np

from vla_contract.card import InterfaceCard, load_card
from vla_contract.observation import VLAObservation
from vla_contract.shipped import find_card
from vla_policy.policy import Ask, Decision
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell


class UpPolicy:
    """Raises the tool by 5 mm a step with an open hand. For cards whose actions are EE_DELTA."""

    def __init__(self, card: InterfaceCard) -> None:
        self._actions = np.zeros((card.action.horizon, card.action_dim))
        self._actions[:, 2] = 0.005
        self._actions[:, card.gripper_column(card.arms[0].name)] = card.arms[0].gripper.open_value

    def reset(self) -> None:
        """Keeps nothing from one run to the next."""

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        return Decision(self._actions)


# To open it by name everywhere (vla up, vla eval, shadow, replay), register a function `(rest, card, how) -> Policy`:
#     entry_points={"vla.policies": ["up = my_package.my_policy:open_policy"]}      then: checkpoint:=up:anything
cell = SimulatedCell(load_card(find_card("panda_tabletop")))
runner = LockstepRunner(cell.card, cell.world, cell.new_controller, UpPolicy(cell.card))
heights = []
runner.on_tick = lambda now: heights.append(runner.controller.tool_at(now))
result = runner.run("pick", seed=1, time_limit_s=2.0)
tool = [pose for pose in heights if pose is not None]
print(f"{result.steps_executed} steps executed, {result.steps_clamped} clamped; refused: {result.refused or 'none'}")
print(f"the tool rose from {tool[0][2]:.3f} to {tool[-1][2]:.3f} m")
