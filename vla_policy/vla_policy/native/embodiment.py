"""A robot cell as a model knows it: what stands between its card and the model. numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from vla_contract.camera_view import CameraView
from vla_contract.card import InterfaceCard
from vla_contract.normalisation import Normaliser
from vla_contract.observation import VLAObservation
from vla_policy.native.codecs.base import Codec
from vla_policy.native.codecs.registry import fit_codec
from vla_policy.native.preprocess import ModelInput, Preprocessor, fit_state
from vla_policy.native.slots import Slots


@dataclass(frozen=True, eq=False)
class Embodiment:
    """A checkpoint holds one or more of them, told apart by ``policy_hash``, and one model."""

    card_name: str
    policy_hash: str
    contract: dict
    """What the model depends on, as ``InterfaceCard.policy_contract`` says it."""
    horizon: int
    """Steps of a chunk; of the model's they are the first."""
    state_normaliser: Normaliser
    codec_name: str
    """As registered under `vla.codecs`."""
    codec: Codec
    state_slots: Slots
    """Where the card's state fields are in the model's state."""
    action_slots: Slots
    """Where the card's action columns are in the model's actions; of no meaning to a codec that speaks in tokens."""
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    """camera -> (k, 32, 32, 3) uint8: what it showed in the demonstrations. May be empty."""

    @classmethod
    def fit(
        cls, card: InterfaceCard, state: np.ndarray, actions: np.ndarray, *, codec: str = "normalised", seed: int = 0, **options
    ) -> Embodiment:
        """From demonstrations: state (N, S) and actions (N, H, D), in the card's units.

        codec: the one that the head names; seed, options: see ``Codec.fit``. Raises CodecError, NormalisationError.
        """
        return cls.of_card(card, fit_state(card, state), codec, fit_codec(codec, card, actions, seed=seed, **options))

    @classmethod
    def of_card(cls, card: InterfaceCard, state_normaliser: Normaliser, codec_name: str, codec: Codec) -> Embodiment:
        """One that fills the whole of its model."""
        return cls(
            card.name, card.policy_hash, card.policy_contract(), card.action.horizon, state_normaliser, codec_name, codec,
            Slots.first(card.state_dim), Slots.first(card.action_dim),
        )  # fmt: skip

    @property
    def cameras(self) -> tuple[str, ...]:
        """In the order of the contract; the model knows them by the same names."""
        return tuple(camera["name"] for camera in self.contract["cameras"])

    @cached_property
    def views(self) -> tuple[CameraView, ...]:
        """What the model's cameras see, in the order of the contract."""
        return tuple(CameraView.of_contract(camera) for camera in self.contract["cameras"])

    @property
    def state_names(self) -> tuple[str, ...]:
        """Fields of the state, in order."""
        return tuple(self.contract["state"]["fields"])

    @property
    def action_names(self) -> tuple[str, ...]:
        """Columns of an action, in order."""
        return tuple(self.contract["action"]["names"])

    @property
    def column_mask(self) -> np.ndarray:
        """True for a column of the model's actions that is this embodiment's. Shape (D of the model,)."""
        return self.action_slots.mask

    def widened(self, state_dim: int, action_dim: int) -> Embodiment:
        """For a model whose state and actions are wider, as it serves others, too: its first columns are this one's."""
        return replace(
            self, state_slots=Slots.first(len(self.state_names), state_dim),
            action_slots=Slots.first(len(self.action_names), action_dim),
        )  # fmt: skip

    def preprocessor(self) -> Preprocessor:
        """Of images as they come; its ``state`` is as narrow as the card's, see ``state``."""
        return Preprocessor(self.views, self.state_normaliser, self.state_names)

    def model_input(self, observation: VLAObservation) -> ModelInput:
        """An observation for the model. Raises PreprocessError for names or sizes that are not the contract's."""
        given = self.preprocessor()(observation)
        return replace(given, state=self.state_slots.spread(given.state))

    def state(self, state: np.ndarray) -> np.ndarray:
        """Card's units (..., S) to the model's state (..., S of the model), float32."""
        return self.state_slots.spread(self.preprocessor().state(state))

    def encode(self, actions: np.ndarray) -> np.ndarray:
        """Card's units (..., H, D) to what the head learns: (..., H, D of the model), or tokens (..., T)."""
        encoded = self.codec.encode(actions)
        return encoded if self.codec.vocabulary else self.action_slots.spread(encoded)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """What a head gives to the card's units, as many steps as the card has. Shape (..., H, D)."""
        narrow = encoded if self.codec.vocabulary else self.action_slots.gather(encoded)[..., : self.horizon, :]
        return self.codec.decode(narrow)
