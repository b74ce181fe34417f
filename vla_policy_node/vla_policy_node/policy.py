"""What every policy is: from an observation to a chunk of actions."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo


class Policy(Protocol):
    """A policy bound to a card. Not thread-safe: one thread calls it."""

    @property
    def info(self) -> PolicyInfo:
        """Which policy this is, and the contract that it was matched against."""
        ...

    def warm_up(self) -> int:
        """First inferences, on empty input. Returns the duration of a warm one [ns]."""
        ...

    def reset(self) -> None:
        """A new run begins: forgets everything of the one before."""
        ...

    def infer(self, observation: VLAObservation) -> np.ndarray:
        """(H, D) float64 in the card's action space and units. Raises PolicyError or PreprocessError."""
        ...
