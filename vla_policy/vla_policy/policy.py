"""What a policy is: `infer` and `reset`. Nothing else is asked of who writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo


@dataclass(frozen=True, eq=False)
class Ask:
    """What a decision has to reckon with, beside the observation."""

    committed: np.ndarray | None = None
    """First steps that will be executed whatever is decided, in the card's space and units. Shape (C, D); None: none.

    Who asks puts them in front of the decision anyway; a policy that knows them can make its other steps follow from them.
    """
    delay_ns: int = 0
    """Expected time from the observation until the decision takes over [ns]; 0: unknown."""


NOTHING_ASKED = Ask()


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy answers."""

    actions: np.ndarray
    """In the card's action space and units. Shape (H, D), float64."""
    timing_ns: Mapping[str, int] = field(default_factory=dict)
    """Durations of parts of it, by name; `server`: of a remote policy, by its own clock [ns]."""
    tokens: np.ndarray | None = None
    """Action tokens of a policy that speaks in them. Shape (T,), int64."""


class Policy(Protocol):
    """A policy bound to a card. Not thread-safe: one thread calls it."""

    def reset(self) -> None:
        """A new run begins: forgets everything of the one before."""
        ...

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        """Raises PolicyError or PreprocessError, in words for the user."""
        ...


class DescribedPolicy(Policy, Protocol):
    """A policy that also says what it is. `load_policy` gives only these, and describes those that do not."""

    @property
    def info(self) -> PolicyInfo:
        """Which policy this is, and the contract that it was matched against."""
        ...

    def warm_up(self) -> int:
        """First inferences, on empty input. Returns the duration of a warm one [ns]."""
        ...
