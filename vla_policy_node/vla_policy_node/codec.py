"""Between actions in the card's units and the numbers that the model speaks. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.normalisation import Normaliser, Statistics

MIN_ACTION_SCALE = 2e-3
"""Smallest divisor of an action column [m or rad]: columns that hardly move are not blown up to full size."""
MIN_STATE_SCALE = 5e-3
"""The same for state fields [rad, m, rad/s]."""


@dataclass(frozen=True)
class Gripper:
    """One gripper column: the policy's value for open becomes 1, for closed -1."""

    column: int
    open_value: float
    closed_value: float
    binary: bool
    """Demonstrations held only the two values: so do decoded actions."""


class ActionCodec:
    """Motion columns are scaled by statistics, gripper columns mapped to [-1, 1] by the card's polarity."""

    def __init__(self, normaliser: Normaliser, grippers: tuple[Gripper, ...]) -> None:
        self.normaliser = normaliser
        self.grippers = grippers

    @classmethod
    def fit(cls, card: InterfaceCard, actions: np.ndarray, mode: str = "mean_std") -> ActionCodec:
        """actions: (N, H, D) in the card's units."""
        stats = Statistics.from_data(card.action.names, actions)
        normaliser = Normaliser(stats, mode, card.gripper_columns, min_scale=MIN_ACTION_SCALE)
        grippers = []
        for arm in card.arms:
            column = card.gripper_column(arm.name)
            if column is not None:
                ends = (arm.gripper.open_value, arm.gripper.closed_value)
                binary = bool(np.isin(actions[..., column], np.asarray(ends, actions.dtype)).all())
                grippers.append(Gripper(column, *ends, binary))
        return cls(normaliser, tuple(grippers))

    def encode(self, actions: np.ndarray) -> np.ndarray:
        """Card's units to model. Shape (..., D)."""
        encoded = self.normaliser.normalise(actions)
        for g in self.grippers:
            share = (actions[..., g.column] - g.closed_value) / (g.open_value - g.closed_value)
            encoded[..., g.column] = 2.0 * share - 1.0
        return encoded

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Model to card's units; grippers stay between open and closed. Shape (..., D)."""
        actions = self.normaliser.unnormalise(encoded)
        for g in self.grippers:
            share = np.clip((encoded[..., g.column] + 1.0) / 2.0, 0.0, 1.0)
            share = (share > 0.5).astype(share.dtype) if g.binary else share
            actions[..., g.column] = g.closed_value + share * (g.open_value - g.closed_value)
        return actions

    def to_dict(self) -> dict:
        """JSON-able."""
        return {"normaliser": self.normaliser.to_dict(), "grippers": [vars(g) for g in self.grippers]}

    @classmethod
    def from_dict(cls, data: dict) -> ActionCodec:
        """Inverse of ``to_dict``. Raises NormalisationError or KeyError naming what is missing."""
        return cls(Normaliser.from_dict(data["normaliser"]), tuple(Gripper(**g) for g in data["grippers"]))


def fit_state(card: InterfaceCard, state: np.ndarray) -> Normaliser:
    """state: (N, S) in the card's units."""
    return Normaliser(Statistics.from_data(card.state.fields, state), "mean_std", min_scale=MIN_STATE_SCALE)
