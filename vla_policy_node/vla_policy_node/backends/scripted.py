"""Policies without a model, for tests, dry runs and shadow comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo


class ScriptedPolicy:
    """See ``Policy``. Actions come from a function of the observation; without one the arm stays where it is, grippers open."""

    def __init__(
        self, card: InterfaceCard, act: Callable[[VLAObservation], np.ndarray] | None = None, name: str = "hold"
    ) -> None:
        if act is None and not card.action_space.is_delta and not card.action_space.is_relative:
            raise ValueError(
                f"policy {name!r} needs a delta or relative action space, card {card.name} has {card.action.space}"
            )
        self._act = act
        self._still = np.zeros((card.action.horizon, card.action_dim))
        for arm in card.arms:
            column = card.gripper_column(arm.name)
            if column is not None:
                self._still[:, column] = arm.gripper.open_value
        self.info = PolicyInfo(
            policy="scripted", head=name, checkpoint="", checkpoint_hash="", card_name=card.name, policy_hash=card.policy_hash,
            card_hash=card.card_hash, camera_names=tuple(card.camera_names), state_names=tuple(card.state.fields),
            action_space=card.action_space, action_names=tuple(card.action.names), step_period_ns=card.step_period_ns,
            horizon=card.action.horizon,
        )  # fmt: skip

    def warm_up(self) -> int:
        """Nothing to warm up."""
        return 0

    def reset(self) -> None:
        """Keeps no state."""

    def infer(self, observation: VLAObservation) -> np.ndarray:
        """See ``Policy``."""
        return self._still.copy() if self._act is None else np.asarray(self._act(observation), dtype=np.float64)
