"""What became of an episode of the fuzz."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vla_bench.fuzz.curve import Executed
from vla_bench.fuzz.random_cell import RandomCell
from vla_bench.fuzz.violation import Found


@dataclass
class Result:
    """What became of an episode. deliveries: for each arm (message, arrival [ns], clock minus physical time [ns]).
    aheads: (since [ns], clock minus physical time [ns]). seconds and planning_seconds: of processor time. speaks: trajectory
    controllers say where they are; link_troubles: how many there were by kind, excused: leaps that they made, by cause."""

    seed: int
    cell: RandomCell
    chunks: int
    accepted: int
    unreported: int
    found: list[Found]
    exceptions: list[str]
    exception_count: int
    verdicts: Counter
    strategy: str
    peaks: dict[str, float]
    samples: int
    seconds: float
    planning_seconds: float
    anchors: int
    deliveries: list[list[tuple]] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    aheads: list[tuple[int, int]] = field(default_factory=list)
    speaks: bool = False
    link_troubles: dict[str, int] = field(default_factory=dict)
    excused: dict[str, int] = field(default_factory=dict)
