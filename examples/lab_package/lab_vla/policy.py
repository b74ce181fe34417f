"""A policy: what may stand here is your model, on any framework, or a client of your server."""

from __future__ import annotations

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_policy.errors import PolicySpecError
from vla_policy.opening import Opening
from vla_policy.policy import Ask, Decision


def open_policy(rest: str, card: InterfaceCard, how: Opening) -> UpPolicy:
    """`mine:5`: everything after the colon is yours; here the step [mm]. ``how``: seed, device and the like, if you need them.

    Raises PolicySpecError, which the user reads as one line: say what was wrong and what is allowed.
    """
    if card.action.space != "EE_DELTA":
        raise PolicySpecError(f"policy 'mine:{rest}': speaks EE_DELTA, card {card.name} has {card.action.space}")
    try:
        return UpPolicy(card, float(rest) / 1000)
    except ValueError:
        raise PolicySpecError(f"policy 'mine:{rest}': {rest!r} is no number; allowed is the step in mm, such as mine:5") from None


class UpPolicy:
    """Raises the tool with an open hand. Two methods make a policy; the suite describes and paces it."""

    def __init__(self, card: InterfaceCard, step: float) -> None:
        """step: [m] in each step of the chunk."""
        self._actions = np.zeros((card.action.horizon, card.action_dim))
        self._actions[:, card.action.names.index(f"{card.arms[0].name}.z")] = step
        gripper = card.gripper_column(card.arms[0].name)
        if gripper is not None:
            self._actions[:, gripper] = card.arms[0].gripper.open_value

    def reset(self) -> None:
        """A new run begins. This policy keeps nothing from the one before."""

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        """``observation``: images, state, instruction, as the card orders them. Actions: (horizon, columns), in its units."""
        return Decision(self._actions.copy())
