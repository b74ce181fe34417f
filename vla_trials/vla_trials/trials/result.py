"""One trial's result, with all that it depends on. Nothing in it is a time of the wall: the same trial, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vla_evidence.rows.rows import InferenceRow
from vla_trials.lockstep import result as lockstep
from vla_trials.lockstep.stitching import DEFAULT_STRATEGY


@dataclass(frozen=True)
class Accuracy:
    """Distance of a policy's first steps from the expert's, mean over a trial and its axes; None: not measured.

    Attributes:
        action_error_mm: Of translation [mm].
        action_error_deg: Of rotation [deg].
        gripper_agreement: Share of steps in which the gripper is asked for what the expert asks.
    """

    action_error_mm: float | None = None
    action_error_deg: float | None = None
    gripper_agreement: float | None = None


@dataclass(frozen=True)
class TrialLabel:
    """When a trial was, in virtual time, which starts anew with each trial [ns]; of a failure also why, and its first bad moment.

    Attributes:
        label: From ground truth, see `vla_evidence.labels.labels`; empty: a success, or none fits.
    """

    start_ns: int = 0
    end_ns: int = 0
    label: str = ""
    first_bad_sequence: int | None = None
    first_bad_stamp_ns: int | None = None


@dataclass(frozen=True)
class TrialResult(TrialLabel, Accuracy, lockstep.TrialResult):
    """See `lockstep.TrialResult`, `Accuracy` and `TrialLabel`.

    Attributes:
        split, setup, perturbation, strategy, committed_steps: Of the request.
    """

    split: str = ""
    setup: str = "standard"
    perturbation: str = ""
    strategy: str = DEFAULT_STRATEGY
    committed_steps: int = 0

    @classmethod
    def of(cls, result: lockstep.TrialResult, request, accuracy: Accuracy, label: TrialLabel) -> TrialResult:
        """A lockstep result with the request's circumstances, and what was measured beside success."""
        return cls(
            **vars(result),
            split=request.split,
            setup=request.setup,
            perturbation=request.perturbations.text,
            strategy=request.strategy,
            committed_steps=request.committed_steps,
            **vars(accuracy),
            **vars(label),
        )

    @classmethod
    def from_row(cls, row: dict) -> TrialResult:
        """What `as_row` gave, also through JSON."""
        return cls(**row)

    @property
    def key(self) -> tuple[str, int]:
        """Task and seed."""
        return self.task, self.seed


class Finished(NamedTuple):
    """A trial that has been run.

    Attributes:
        seconds: On the wall [s].
        frames: Of a failure, PNG by camera, see `trials/frames.py`.
        inferences: A row each, see `InferenceLog.rows`.
    """

    result: TrialResult
    seconds: float
    frames: Mapping[str, bytes] = {}
    inferences: Sequence[InferenceRow] = ()
