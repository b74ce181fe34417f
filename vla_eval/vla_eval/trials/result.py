"""One trial's result, with all that it depends on. Nothing in it is a time of the wall: the same trial, the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vla_eval import lockstep
from vla_eval.evidence.rows import InferenceRow


@dataclass(frozen=True)
class TrialResult(lockstep.TrialResult):
    """See `lockstep.TrialResult`.

    Attributes:
        split, setup, perturbation: Of the request.
        start_ns, end_ns: In virtual time, which starts anew with each trial [ns].
        label, first_bad_sequence, first_bad_stamp_ns: Of a failure, from ground truth; see `vla_eval.evidence.labels`.
        action_error_mm, action_error_deg, gripper_agreement: See `ActionAccuracy`; None where not measured.
    """

    split: str = ""
    setup: str = "standard"
    perturbation: str = ""
    action_error_mm: float | None = None
    action_error_deg: float | None = None
    gripper_agreement: float | None = None
    start_ns: int = 0
    end_ns: int = 0
    label: str = ""
    first_bad_sequence: int | None = None
    first_bad_stamp_ns: int | None = None

    @classmethod
    def of(cls, result: lockstep.TrialResult, request, **figures) -> TrialResult:
        """A lockstep result with the request's circumstances, and figures of its own."""
        return cls(
            **vars(result),
            split=request.split,
            setup=request.setup,
            perturbation=request.perturbations.text,
            **figures,
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
