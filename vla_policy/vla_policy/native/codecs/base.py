"""What a codec is: what stands between a chunk in the card's units and what a head learns. numpy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard


@dataclass(frozen=True, eq=False)
class CodecState:
    """Everything needed to build a codec again from a checkpoint."""

    values: dict = field(default_factory=dict)
    """JSON-able."""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By name, of any shape: a codebook, a table of merges. Stored as tensors."""


class Codec(ABC):
    """Registered as an entry point of `vla.codecs`; a head names the one that it needs.

    A codec speaks either in numbers, one for each step and column, or in tokens; ``vocabulary`` says which.
    """

    vocabulary: int = 0
    """Number of different tokens; 0: it speaks in numbers."""
    tokens: int = 0
    """Tokens of a chunk, padded to the longest one; 0: it speaks in numbers."""

    @classmethod
    @abstractmethod
    def fit(cls, card: InterfaceCard, actions: np.ndarray, *, seed: int = 0, **options: object) -> Codec:
        """Learns from demonstrations whatever it has to, which may take minutes (byte pairs, a codebook).

        Args:
            actions: In the card's action space and units. Shape (N, H, D).
            seed: Of whatever it draws; the same seed and data give the same codec.
            options: Its own. Raises ValueError for an unusable value.
        """

    @abstractmethod
    def encode(self, actions: np.ndarray) -> np.ndarray:
        """Card's units to what the head learns.

        actions: (..., H, D), float32 or float64. Returns numbers (..., H, D) of the same type, around -1 to 1; or tokens
        (..., ``tokens``), int64. A codec of numbers takes any number of steps, as a committed prefix is encoded, too.
        """

    @abstractmethod
    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Inverse of ``encode``, as far as there is one. Returns (..., H, D), grippers between open and closed."""

    @abstractmethod
    def state(self) -> CodecState:
        """For a checkpoint."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: CodecState) -> Codec:
        """Inverse of ``state``. Raises NormalisationError, KeyError or ValueError naming what is missing."""
