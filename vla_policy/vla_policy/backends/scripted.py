"""Policies without a model, for tests, dry runs and shadow comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_policy.describing import info_of_card
from vla_policy.errors import PolicySpecError
from vla_policy.opening import Opening
from vla_policy.policy import NOTHING_ASKED, Ask, Decision


def open_policy(name: str, card: InterfaceCard, how: Opening) -> ScriptedPolicy:
    """`scripted:hold`, the only one that needs nothing but the card. Raises PolicySpecError for another name."""
    if name != "hold":
        raise PolicySpecError(f"scripted:{name}: there is only scripted:hold")
    return ScriptedPolicy(card)


class ScriptedPolicy:
    """See ``Policy``. Actions come from a function of the observation; without one the arm stays where it is, grippers open."""

    def __init__(
        self, card: InterfaceCard, act: Callable[[VLAObservation], np.ndarray] | None = None, name: str = "hold"
    ) -> None:
        if act is None and not card.action_space.is_delta and not card.action_space.is_relative:
            raise PolicySpecError(
                f"policy {name!r} needs a delta or relative action space, card {card.name} has {card.action.space}"
            )
        self._act = act
        self._still = np.zeros((card.action.horizon, card.action_dim))
        for arm in card.arms:
            column = card.gripper_column(arm.name)
            if column is not None:
                self._still[:, column] = arm.gripper.open_value
        self.info = info_of_card(card, policy="scripted", head=name)

    def warm_up(self) -> int:
        """Nothing to warm up."""
        return 0

    def reset(self) -> None:
        """Keeps no state."""

    def infer(self, observation: VLAObservation, ask: Ask = NOTHING_ASKED) -> Decision:
        """See ``Policy``."""
        actions = self._still.copy() if self._act is None else np.asarray(self._act(observation), dtype=np.float64)
        return Decision(actions)
