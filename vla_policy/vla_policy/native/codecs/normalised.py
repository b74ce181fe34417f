"""The codec of heads that predict numbers: motion scaled by its statistics, grippers from -1 (closed) to 1 (open)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.normalisation import Normaliser, Statistics
from vla_policy.native.codecs.base import Codec, CodecState

MIN_ACTION_SCALE = 2e-3
"""Smallest divisor of an action column [m or rad]: columns that hardly move are not blown up to full size."""


@dataclass(frozen=True)
class Gripper:
    """One gripper column: the policy's value for open becomes 1, for closed -1."""

    column: int
    open_value: float
    closed_value: float
    binary: bool
    """Demonstrations held only the two values: so do decoded actions."""


class NormalisedCodec(Codec):
    """Motion columns are scaled by statistics, gripper columns mapped to [-1, 1] by the card's polarity."""

    def __init__(self, normaliser: Normaliser, grippers: tuple[Gripper, ...]) -> None:
        self.normaliser = normaliser
        self.grippers = grippers

    @classmethod
    def fit(cls, card: InterfaceCard, actions: np.ndarray, *, seed: int = 0, mode: str = "mean_std") -> NormalisedCodec:
        """See Codec. ``mode``: one of ``normalisation.MODES``. Draws nothing."""
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
        """See Codec. Any leading shape, (..., D)."""
        encoded = self.normaliser.normalise(actions)
        for g in self.grippers:
            share = (actions[..., g.column] - g.closed_value) / (g.open_value - g.closed_value)
            encoded[..., g.column] = 2.0 * share - 1.0
        return encoded

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """See Codec. Any leading shape, (..., D)."""
        actions = self.normaliser.unnormalise(encoded)
        for g in self.grippers:
            share = np.clip((encoded[..., g.column] + 1.0) / 2.0, 0.0, 1.0)
            share = (share > 0.5).astype(share.dtype) if g.binary else share
            actions[..., g.column] = g.closed_value + share * (g.open_value - g.closed_value)
        return actions

    def state(self) -> CodecState:
        """See Codec. No arrays."""
        return CodecState({"normaliser": self.normaliser.to_dict(), "grippers": [vars(g) for g in self.grippers]})

    @classmethod
    def from_state(cls, state: CodecState) -> NormalisedCodec:
        """See Codec."""
        values = state.values
        return cls(Normaliser.from_dict(values["normaliser"]), tuple(Gripper(**g) for g in values["grippers"]))
