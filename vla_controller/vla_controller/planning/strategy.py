"""How a new chunk takes over from the one under way, and for which delays and horizons each way holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile
from typing import Protocol

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_controller.planning.arm import Request
from vla_controller.refusal import Refusal
from vla_motion import rotation
from vla_motion.action_conversion import Targets

_COEFFICIENT = 0.01
_REMEMBERED = 16


class Strategy(Protocol):
    """One way of stitching. Chunks that find the arm at rest start now, whatever their delay."""

    name: str

    def refusal(self, chunk: ActionChunk, period_ns: int, delay_ns: int) -> Refusal | None:
        """Why this chunk lies outside the delay and horizon that the strategy is valid for.

        period_ns: from step to step, as executed. delay_ns: from the observation until the new motion can take over.
        """

    def bound_ns(self, chunk: ActionChunk, period_ns: int) -> int:
        """The longest such delay at which this chunk is valid [ns]; 0 for a chunk that is valid at none."""

    def shape(self, requests: Sequence[Request], now_ns: int) -> Sequence[Request]:
        """What the arms are asked to do, given what earlier chunks asked. Changes nothing."""

    def accepted(self, requests: Sequence[Request]) -> None:
        """The motion of these requests, as the arms were asked by the newest chunk alone, is under way."""

    def forget(self) -> None:
        """The motion was cut: earlier chunks no longer say anything about it."""


class RecedingHorizon:
    """The newest chunk rules from its first step still due. Valid while the delay leaves a step of the horizon."""

    name = "receding_horizon"

    def refusal(self, chunk: ActionChunk, period_ns: int, delay_ns: int) -> Refusal | None:
        if delay_ns <= self.bound_ns(chunk, period_ns):
            return None
        return Refusal(
            Verdict.STALE,
            f"every step lies in the past: the delay of {delay_ns * 1e-6:.0f} ms is longer than the horizon of "
            f"{chunk.horizon} steps of {period_ns * 1e-6:.0f} ms",
        )

    def bound_ns(self, chunk: ActionChunk, period_ns: int) -> int:
        return chunk.horizon * period_ns

    def shape(self, requests: Sequence[Request], now_ns: int) -> Sequence[Request]:
        return requests

    def accepted(self, requests: Sequence[Request]) -> None:
        pass

    def forget(self) -> None:
        pass


class CommittedPrefix(RecedingHorizon):
    """The first steps of a chunk repeat what is planned already and stay as they are; the rest continues them.

    Valid with 1 to horizon - 1 committed steps that last at least as long as the delay: a shorter prefix would freeze
    steps that have been overtaken.
    """

    name = "committed_prefix"

    def refusal(self, chunk: ActionChunk, period_ns: int, delay_ns: int) -> Refusal | None:
        steps = chunk.committed_steps
        if not 1 <= steps < chunk.horizon:
            return Refusal(
                Verdict.SHAPE,
                f"committed_steps is {steps}; strategy {self.name} allows 1 to {chunk.horizon - 1} of {chunk.horizon} "
                "steps while the arm moves",
            )
        if delay_ns > self.bound_ns(chunk, period_ns):
            return Refusal(
                Verdict.STALE,
                f"the delay of {delay_ns * 1e-6:.0f} ms is longer than the {steps} committed steps of "
                f"{period_ns * 1e-6:.0f} ms; strategy {self.name} needs them to last as long",
            )
        return None

    def bound_ns(self, chunk: ActionChunk, period_ns: int) -> int:
        return chunk.committed_steps * period_ns if 1 <= chunk.committed_steps < chunk.horizon else 0


class TemporalEnsemble(RecedingHorizon):
    """Targets are the weighted mean of what all recent chunks ask for the same instant, as long as they are valid; grippers
    follow the newest.

    Weights are exp(-coefficient * i), i = 0 for the oldest, as in ACT (Zhao et al. 2023). Valid for horizons of 2
    steps and more, and delays of up to half of the horizon: beyond, chunks no longer overlap by most of their steps.
    """

    name = "temporal_ensemble"

    def __init__(self, coefficient: float = _COEFFICIENT) -> None:
        self._coefficient = coefficient
        self.forget()

    def refusal(self, chunk: ActionChunk, period_ns: int, delay_ns: int) -> Refusal | None:
        if chunk.horizon < 2:
            return Refusal(Verdict.SHAPE, f"horizon is {chunk.horizon}; strategy {self.name} needs 2 steps or more")
        if delay_ns > self.bound_ns(chunk, period_ns):
            return Refusal(
                Verdict.STALE,
                f"the delay of {delay_ns * 1e-6:.0f} ms is longer than half of the horizon of {chunk.horizon} steps of "
                f"{period_ns * 1e-6:.0f} ms; strategy {self.name} needs chunks that overlap by more",
            )
        return None

    def bound_ns(self, chunk: ActionChunk, period_ns: int) -> int:
        return chunk.horizon * period_ns // 2 if chunk.horizon >= 2 else 0

    def shape(self, requests: Sequence[Request], now_ns: int) -> Sequence[Request]:
        memory = [list(dropwhile(lambda past: _until(past) <= now_ns, earlier)) for earlier in self._memory]
        if not memory or not memory[0]:
            return requests
        return [self._blended(request, earlier) for request, earlier in zip(requests, memory)]

    def accepted(self, requests: Sequence[Request]) -> None:
        if not self._memory:
            self._memory = [deque(maxlen=_REMEMBERED) for _ in requests]
        for request, earlier in zip(requests, self._memory):
            earlier.append(request)

    def forget(self) -> None:
        self._memory: list[deque[Request]] = []

    def _blended(self, newest: Request, earlier: list[Request]) -> Request:
        due = newest.schedule.due_ns
        weights = np.exp(-self._coefficient * np.arange(len(earlier) + 1.0))
        total = np.full(len(due), weights[-1])
        own = newest.targets
        offset = np.zeros((len(due), 6)) if own.T is not None else np.zeros_like(own.q)
        for request, weight in zip(earlier, weights):
            inside = (due >= request.schedule.due_ns[0]) & (due <= _until(request))
            if not inside.any():
                continue
            total[inside] += weight
            offset[inside] += weight * _difference(newest, request, due, inside)
        offset /= total[:, None]
        blended = (
            Targets(rotation.compose_left(own.T, offset), None, own.gripper)
            if own.T is not None
            else Targets(None, own.q + offset, own.gripper)
        )
        return replace(newest, targets=blended, by_steps=False)


def _until(request: Request) -> int:
    """Past it what a chunk asks for is beyond its validity, or the open-loop limit of its observation [ns]."""
    return min(int(request.schedule.due_ns[-1]), request.schedule.deadline_ns)


def _difference(newest: Request, earlier: Request, due_ns: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """From the newest chunk's targets to an earlier one's at the same instants: (N, 6) twists or (N, J) angles."""
    times = earlier.schedule.due_ns
    after = np.clip(np.searchsorted(times, due_ns[inside]), 1, max(1, len(times) - 1))
    if len(times) == 1:
        after = np.zeros_like(after)
    before = np.maximum(after - 1, 0)
    span = np.maximum(times[after] - times[before], 1)
    share = ((due_ns[inside] - times[before]) / span)[:, None]
    if newest.targets.q is not None:
        q = earlier.targets.q
        return q[before] + share * (q[after] - q[before]) - newest.targets.q[inside]
    T = earlier.targets.T
    there = rotation.compose_left(T[before], share * rotation.left_difference(T[before], T[after]))
    return rotation.left_difference(newest.targets.T[inside], there)


STRATEGIES = {kind.name: kind for kind in (RecedingHorizon, TemporalEnsemble, CommittedPrefix)}


def make_strategy(name: str) -> Strategy:
    """By its name. Raises ValueError that names those there are."""
    if name not in STRATEGIES:
        raise ValueError(f"strategy is {name!r}, allowed are {', '.join(STRATEGIES)}")
    return STRATEGIES[name]()
