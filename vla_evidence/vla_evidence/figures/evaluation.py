"""eval.json, of `vla eval`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from vla_contract.command import Command
from vla_evidence.figures.paired import PairedFigures
from vla_evidence.figures.reading import Figures


@dataclass(frozen=True, kw_only=True)
class ShareFigures:
    """Counts, rate and 95 % interval (Wilson); None over nothing."""

    hits: int
    of: int
    rate: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class GroundingFigures(ShareFigures):
    """Trials whose first object touched is the named one; nothing_touched: trials left out."""

    nothing_touched: int


@dataclass(frozen=True, kw_only=True)
class ActionFigures:
    """Against the expert's actions, means over the trials; None: not measured."""

    action_error_mm: float | None
    action_error_deg: float | None
    gripper_agreement: float | None


@dataclass(frozen=True, kw_only=True)
class LatencyFigures:
    """source: "injected" into the trials; of the others [ms]."""

    source: str
    p50_ms: float | None
    p99_ms_worst_trial: float | None


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """Over the trials of a task, or of all. unknown: trials without an outcome, in no count of successes."""

    trials: int
    successes: int
    rate: float | None
    interval: tuple[float, float] | None
    unknown: int
    clamped_share: float
    refused_chunks: dict[str, int]
    first_touched_is_target: float
    grounding: GroundingFigures
    action: ActionFigures
    latency: LatencyFigures
    recovery: ShareFigures
    moved: int
    labels: dict[str, int]
    blind_frames: int


@dataclass(frozen=True, kw_only=True)
class TrialFigures:
    """A trial, see `vla_trials.trials.result.TrialResult`. success: None where it is not known; strategy: "" in older files."""

    task: str
    seed: int
    instruction: str
    success: bool | None
    seconds: float
    virtual_seconds: float
    first_touched: str
    target: str
    chunks: int
    steps_executed: int
    steps_clamped: int
    refused: dict[str, int]
    pushes: int
    moves: int
    distractors: int
    blind_frames: int
    steps_skipped: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    split: str
    setup: str
    perturbation: str
    action_error_mm: float | None
    action_error_deg: float | None
    gripper_agreement: float | None
    start_ns: int
    end_ns: int
    label: str
    first_bad_sequence: int | None
    first_bad_stamp_ns: int | None
    strategy: str = ""
    committed_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class RequestFigures:
    """What the trials depend on.

    Attributes:
        seeds: First and last of each range.
        latency: Floor, median [s] and spread of the injected one.
        rule, split, perturbation: Empty: the card's, none, nothing.
        time_limit_s: None: the card's [s].
        suite: Version that began them; empty: it did not note its version.
        card: Path, as it was given; empty: not kept.
        strategy, committed_steps: Of the controller; empty and None in older files.
    """

    card_hash: str
    checkpoint_hash: str
    tasks: tuple[str, ...]
    seeds: tuple[tuple[int, int], ...]
    replan_steps: int
    latency: tuple[float, float, float]
    rule: str
    perturbation: str
    split: str
    setup: str
    noise: float
    time_limit_s: float | None
    suite: str = ""
    card: str = ""
    strategy: str = ""
    committed_steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class EvalFigures(TaskFigures, Figures):
    """Content of eval.json.

    Attributes:
        resumed: Trials that were there already; None: not kept.
        fingerprint: Of the request that the folder was begun with: run ids come from it. Empty: of `request`.
        suites: Trials by the suite that ran them.
        without_inferences: Trials without rows of their inferences; None: there are none in the folder.
        against, comparison: Of `--against`, where both stand in one file.
        command: None in older files.
    """

    WRITTEN_BY: ClassVar[str] = "vla eval --out DIR"

    task: str
    checkpoint: str
    policy: str
    first_seed: int
    split: str
    setup: str
    perturbation: str
    tasks: dict[str, TaskFigures]
    realtime_factor_per_process: float
    realtime_factor: float
    processes: int
    wall_seconds: float
    rows: tuple[TrialFigures, ...]
    request: RequestFigures
    engine: str = ""
    resumed: int | None = None
    strategy: str = ""
    committed_steps: int | None = None
    fingerprint: str = ""
    suites: dict[str, int] = field(default_factory=dict)
    without_inferences: int | None = None
    against: EvalFigures | None = None
    comparison: PairedFigures | None = None
    command: Command | None = None
