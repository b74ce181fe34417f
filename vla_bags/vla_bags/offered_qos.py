"""Quality of service: as rosbag2 writes what publishers offer, and what a recorder asks for so that it hears them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FOREVER = {"sec": 9223372036, "nsec": 854775807}
"""How rosbag2 writes that there is no deadline."""


@dataclass(frozen=True)
class Offered:
    """What one publisher offers, in rosbag2's words ("keep_last", "best_effort", "volatile")."""

    reliability: str
    durability: str
    history: str = "keep_last"
    depth: int = 0
    deadline_ns: int = 0
    lifespan_ns: int = 0
    liveliness: str = "automatic"
    lease_ns: int = 0

    def as_dict(self) -> dict:
        """Content of rosbag2's offered_qos_profiles, version 9. Times of 0 or beyond 292 years mean none."""
        return {
            "history": self.history,
            "depth": self.depth,
            "reliability": self.reliability,
            "durability": self.durability,
            "deadline": _time(self.deadline_ns),
            "lifespan": _time(self.lifespan_ns),
            "liveliness": self.liveliness,
            "liveliness_lease_duration": _time(self.lease_ns),
            "avoid_ros_namespace_conventions": False,
        }


def _time(ns: int) -> dict[str, int]:
    return {"sec": ns // 10**9, "nsec": ns % 10**9} if 0 < ns < 2**63 - 1 else dict(FOREVER)


@dataclass(frozen=True)
class Wanted:
    """What a subscription asks for."""

    reliable: bool
    transient_local: bool


def fitting(offered: Sequence[Offered]) -> Wanted:
    """The most that every publisher of a topic offers, as rosbag2 chooses it: asking for more would silence some of them."""
    return Wanted(
        reliable=bool(offered) and all(publisher.reliability == "reliable" for publisher in offered),
        transient_local=bool(offered) and all(publisher.durability == "transient_local" for publisher in offered),
    )
