"""replay.json and replay_graph.json, of `vla replay`; what each figure means is said in the docs (replay)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from vla_contract.command import Command
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class SpreadFigures:
    """Of `count` finite values; the rest are None where there is none. not_finite: values that are not."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    not_finite: int = 0


@dataclass(frozen=True, kw_only=True)
class ColumnFigures:
    """Distance in a column of the action, in `unit`; None where no value is finite."""

    mean_abs: float | None
    p95: float | None
    max: float | None
    unit: str
    not_finite: int


@dataclass(frozen=True, kw_only=True)
class CosineFigures:
    """Of the directions of two motions."""

    mean: float | None
    p05: float | None
    count: int
    not_finite: int = 0


@dataclass(frozen=True, kw_only=True)
class ComparisonFigures:
    """Two sequences of chunks at equal due times. equal_chunks: to the bit. incomparable: pairs whose motion is not compared."""

    chunks: int
    steps: int
    equal_chunks: int
    largest: float
    columns: dict[str, ColumnFigures]
    cosine: dict[str, CosineFigures]
    gripper_accuracy: dict[str, float]
    incomparable: int = 0


@dataclass(frozen=True, kw_only=True)
class ControllerFigures:
    """What the controller made of the chunks offline. Peaks are shares of the limits; samples: instants looked at.

    steps_unjudged: motions that the recorded arm did not follow, left for others that do not go on from them.
    """

    arm: str
    chunks: int
    accepted: int
    superseded: int
    brakes: int
    refused: dict[str, int]
    steps_executed: int
    steps_clamped: int
    steps_skipped: int
    clamped_share: float | None
    clamped_by: dict[str, int]
    violations: int
    violations_by: dict[str, int]
    worst_violation: str
    peaks: dict[str, float]
    samples: int
    rms_jerk: float | None
    steps_unjudged: int = 0


@dataclass(frozen=True, kw_only=True)
class AbsentInput:
    """An input of an observation that the bag does not have."""

    what: str
    stamp_ns: int
    sequence: int


@dataclass(frozen=True, kw_only=True)
class ObservationFigures:
    """Observations rebuilt from the bag. absent: by camera or state topic."""

    chunks: int
    rebuilt: int
    absent: dict[str, int]
    named: tuple[AbsentInput, ...]
    state_equal: int
    state_different: int
    state_unknown: int
    state_largest: float
    no_instruction: int


@dataclass(frozen=True, kw_only=True)
class AgreementFigures:
    """Chunks that ended here as they were recorded to end."""

    chunks: int
    equal: int
    clamped_recorded: int
    clamped_here: int
    executed_recorded: int


@dataclass(frozen=True, kw_only=True)
class RecordedFigures:
    """Of the recorded chunks. controller: None where it was left out."""

    jumps: dict[str, SpreadFigures]
    against_executed: ComparisonFigures
    latency_ms: SpreadFigures
    controller: ControllerFigures | None = None
    controller_agreement: AgreementFigures | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyFigures:
    """Of a policy that was asked again. latency_ms: of inference [ms]."""

    policy: str
    head: str
    checkpoint: str
    checkpoint_hash: str
    against_recorded: ComparisonFigures
    against_executed: ComparisonFigures
    jumps: dict[str, SpreadFigures]
    latency_ms: SpreadFigures
    failed: dict[str, int]
    controller: ControllerFigures | None


@dataclass(frozen=True, kw_only=True)
class FaultFigures:
    """Of faults put into the stream. refused: observations, by reason."""

    done: dict[str, int]
    decisions: int
    refused: dict[str, int]
    refused_inputs: dict[str, int]
    repeated: int
    late: int
    no_instruction: int
    refused_share: float | None


@dataclass(frozen=True, kw_only=True)
class ReplayedFigures(Figures):
    """What a replay measures.

    Attributes:
        instruction: For runs whose instruction the bag does not tell; None: none was given.
    """

    bag: str
    truncated: bool
    card: str
    card_hash: str
    seconds: float
    wall_seconds: float
    realtime_factor: float | None
    events: dict[str, int]
    missing_topics: tuple[str, ...]
    malformed: tuple[str, ...]
    observations: ObservationFigures
    recorded: RecordedFigures
    policies: dict[str, PolicyFigures]
    between: ComparisonFigures | None
    shadow: ComparisonFigures | None
    instruction: str | None
    faults: FaultFigures | None
    scores: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class ReplayFigures(ReplayedFigures):
    """Content of replay.json: what was measured, and what was asked for.

    Attributes:
        faults_asked: As `--fault` was given.
        model: Where the robot description is from, in words or as a path.
        gates, exceeded: Bounds, and those that do not hold in words.
        command: None in older files.
    """

    WRITTEN_BY: ClassVar[str] = "vla replay BAG --out DIR"

    faults_asked: tuple[str, ...]
    namespace: str | None
    model: str
    remarks: tuple[str, ...]
    seed: int
    threads: int
    gates: dict[str, float]
    exceeded: tuple[str, ...]
    command: Command | None = None


@dataclass(frozen=True, kw_only=True)
class PlayedRun:
    """An instruction that was sent into the graph."""

    instruction: str
    accepted: bool
    remark: str


@dataclass(frozen=True, kw_only=True)
class PlayedFigures:
    """What was played. rate: speed of time; latest_ms: how late a message was at most [ms]; unreadable: packed images that were
    left out, by topic."""

    bag: str
    seconds: float
    wall_seconds: float
    rate: float
    played: dict[str, int]
    missing_topics: tuple[str, ...]
    clock_messages: int
    clock_set_back: int
    latest_ms: float
    chunks_heard: int
    runs: tuple[PlayedRun, ...]
    unreadable: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GraphReplayFigures(Figures):
    """Content of replay_graph.json."""

    WRITTEN_BY: ClassVar[str] = "vla replay BAG --graph --out DIR"

    graph: PlayedFigures
    card_hash: str = ""
    command: Command | None = None
