"""What arrives on a topic, as plain values: the same from a bag, from the graph and from the simulator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Event:
    """One message. Topics are relative, as in the card.

    Attributes:
        receive_ns: Arrival, on the node's clock [ns].
        stamp_ns: Acquisition as the header says [ns]; None for types without a header.
    """

    topic: str
    type: str
    receive_ns: int
    stamp_ns: int | None = None


@dataclass(frozen=True, eq=False)
class ImageEvent(Event):
    """pixels: (H, W, 3) uint8 RGB, None where it could not be read; ``problem`` then says why."""

    encoding: str = ""
    width: int = 0
    height: int = 0
    pixels: np.ndarray | None = None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class JointEvent(Event):
    """values: quantity ("position", "velocity", "effort") -> (J,), empty where the message carries none. Of a wrench the names
    are fields, and "" is the quantity. A name "" is of a joint that does not count on this topic."""

    names: tuple[str, ...] = ()
    values: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CommandEvent(Event):
    """A trajectory. times_ns (N,): instants of the points, on the node's clock; positions (N, J) [rad or m]."""

    names: tuple[str, ...] = ()
    times_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    positions: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True, eq=False)
class HashEvent(Event):
    """A chunk or policy info. hashes: "card_hash", "policy_hash" -> value; horizon: steps of a chunk."""

    hashes: dict[str, str] = field(default_factory=dict)
    horizon: int = 0
