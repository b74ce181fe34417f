"""Which chunks are let in. Everything refused is refused with a verdict and the reason in words."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.printing import listed
from vla_contract.report import Verdict
from vla_controller.refusal import Refusal

_AHEAD_NS = 50_000_000
_LATE_NS = 500_000_000  # a missing chunk may still arrive this long after the next one
_RUNS_REMEMBERED = 256
_LOST_SINGLY = 50  # of one gap: a policy that counts in milliseconds makes one of hundreds with each chunk
_LOST_WAITING = 500  # that are to be reported one by one, of all gaps
_LOST_AT_ONCE = 32  # 40 us each to publish, and a stop waits behind them
_TOLD_REMEMBERED = 2000


@dataclass(eq=False)
class _Rest:
    """Missing chunks of one gap that are reported as one: first to last, less those that came after all."""

    run_id: str
    first: int
    last: int
    until_ns: int
    came: set[int]

    def take(self, run_id: str, sequence: int) -> None:
        """This chunk has come."""
        if run_id == self.run_id and self.first <= sequence <= self.last:
            self.came.add(sequence)
            while self.last in self.came:  # it is reported by its last, which has to be one that is missing
                self.came.remove(self.last)
                self.last -= 1

    def has(self, run_id: str, sequence: int) -> bool:
        """It is one of them."""
        return run_id == self.run_id and self.first <= sequence <= self.last and sequence not in self.came

    @property
    def number(self) -> int:
        return self.last - self.first + 1 - len(self.came)


class Admission:
    """Checks of content, order and time, and the memory of runs and sequences that they need."""

    def __init__(self, card: InterfaceCard) -> None:
        self._card = card
        self._names = tuple(card.action.names)
        self._frames = sorted({arm.base_frame for arm in card.arms})
        self._run: str | None = None
        self._newest = -1
        self._newest_stamp_ns: int | None = None
        self._old_runs: OrderedDict[str, None] = OrderedDict()
        self._early: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._missing: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._rests: list[_Rest] = []
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._told_rests: deque[_Rest] = deque(maxlen=_RUNS_REMEMBERED)

    @property
    def run_id(self) -> str | None:
        """The newest run let in; None before the first."""
        return self._run

    def check_lost(self, run_id: str, sequence: int) -> Refusal | None:
        """The chunk was not told LOST, be it as one of many."""
        told = (run_id, sequence) in self._told or any(rest.has(run_id, sequence) for rest in self._told_rests)
        return Refusal(Verdict.LATE, f"sequence {sequence} arrived after it was told LOST") if told else None

    def check_card(self, chunk: ActionChunk) -> Refusal | None:
        """The chunk comes from the same interface card."""
        if chunk.card_hash != self._card.card_hash:
            return Refusal(
                Verdict.CARD_MISMATCH,
                f"card_hash is {chunk.card_hash!r}, this controller's is {self._card.card_hash!r}",
            )
        return None

    def check_content(self, chunk: ActionChunk) -> Refusal | None:
        """Space, names, shape and values are those that the card allows."""
        card = self._card
        if chunk.action_space is not card.action_space:
            return Refusal(
                Verdict.SPACE, f"action_space is {chunk.action_space.name}, the card's is {card.action_space.name}"
            )
        if chunk.names != self._names:
            how = "permuted" if sorted(chunk.names) == sorted(self._names) else "not the card's"
            return Refusal(
                Verdict.NAMES, f"names are {how}: expected {', '.join(self._names)}; got {listed(chunk.names)}"
            )
        if chunk.horizon > card.action.horizon:
            return Refusal(Verdict.SHAPE, f"horizon is {chunk.horizon}, the card allows at most {card.action.horizon}")
        if not 0 <= chunk.committed_steps <= chunk.horizon:
            return Refusal(
                Verdict.SHAPE,
                f"committed_steps is {chunk.committed_steps}, allowed is 0 to the horizon, {chunk.horizon}",
            )
        if chunk.step_period_ns != card.step_period_ns:
            return Refusal(
                Verdict.SHAPE,
                f"step_period is {chunk.step_period_ns * 1e-9:g} s, the card's is {card.action.step_period:g} s",
            )
        if chunk.frame_id and chunk.frame_id not in self._frames and card.action_space.is_cartesian:
            return Refusal(
                Verdict.SHAPE, f"frame_id is {chunk.frame_id!r}, the card's base frame is {' or '.join(self._frames)}"
            )
        if not np.isfinite(chunk.actions).all():
            step, column = (int(i) for i in np.argwhere(~np.isfinite(chunk.actions))[0])
            value = chunk.actions[step, column]
            return Refusal(Verdict.NOT_FINITE, f"step {step}, {self._names[column]}: {value} is not a finite number")
        return self._check_reference(chunk) if chunk.action_space.is_relative else None

    def _check_reference(self, chunk: ActionChunk) -> Refusal | None:
        joints = [joint for arm in self._card.arms for joint in arm.joints]
        reference = chunk.reference_positions
        if len(reference) != len(joints):
            return Refusal(
                Verdict.SHAPE,
                f"reference_positions has {len(reference)} values; {chunk.action_space.name} needs the observed position "
                f"of each of {', '.join(joints)}",
            )
        if not np.isfinite(reference).all():
            joint = int(np.argmin(np.isfinite(reference)))
            return Refusal(
                Verdict.NOT_FINITE, f"reference_positions, {joints[joint]}: {reference[joint]} is not a finite number"
            )
        return None

    def check_order(self, chunk: ActionChunk) -> Refusal | None:
        """The run is the newest or a new one, and the sequence goes up."""
        if chunk.run_id in self._old_runs:
            return Refusal(Verdict.OLD_RUN, f"run {chunk.run_id} was replaced by run {self._run}")
        if chunk.run_id == self._run and chunk.sequence <= self._newest:
            return Refusal(
                Verdict.OUT_OF_ORDER, f"sequence {chunk.sequence} is not above {self._newest}, the newest of its run"
            )
        return None

    def check_begins(self, chunk: ActionChunk) -> Refusal | None:
        """The chunk is of the newest run, or the first of one that follows: not a straggler of a run that was over before."""
        if chunk.run_id == self._run or self._newest_stamp_ns is None or chunk.stamp_ns >= self._newest_stamp_ns:
            return None
        earlier_ms = (self._newest_stamp_ns - chunk.stamp_ns) * 1e-6
        return Refusal(
            Verdict.OLD_RUN,
            f"run {chunk.run_id} was not heard before, and its observation is {earlier_ms:.0f} ms older than the newest of run "
            f"{self._run}, which goes on",
        )

    def check_time(self, chunk: ActionChunk, now_ns: int) -> Refusal | None:
        """The observation is neither of the future nor past its validity."""
        ahead = chunk.stamp_ns - now_ns
        if ahead > _AHEAD_NS:
            return Refusal(
                Verdict.STALE,
                f"stamp lies {ahead * 1e-6:.0f} ms in the future: the clocks of policy and controller differ",
            )
        if -ahead >= chunk.valid_for_ns:
            return Refusal(
                Verdict.EXPIRED,
                f"arrived {-ahead * 1e-6:.0f} ms after its observation, valid_for is {chunk.valid_for_ns * 1e-6:.0f} ms",
            )
        if -ahead >= self._card.max_open_loop_ns:
            return Refusal(
                Verdict.EXPIRED,
                f"arrived {-ahead * 1e-6:.0f} ms after its observation, "
                f"the card's max_open_loop is {self._card.max_open_loop * 1e3:.0f} ms",
            )
        return None

    def register(self, chunk: ActionChunk, now_ns: int, *, may_begin_run: bool) -> None:
        """Remembers that this chunk was received. One that may not begin a run counts only in the newest run."""
        self.arrives(chunk.run_id, chunk.sequence)
        if chunk.run_id != self._run:
            if not may_begin_run:
                _remember(self._early, (chunk.run_id, chunk.sequence))
                return
            if chunk.run_id in self._old_runs:
                return
            if self._run is not None:
                _remember(self._old_runs, self._run)
            self._run, self._newest, self._newest_stamp_ns = chunk.run_id, -1, None
        if may_begin_run and chunk.horizon:
            self._newest_stamp_ns = max(chunk.stamp_ns, self._newest_stamp_ns or chunk.stamp_ns)
        if chunk.sequence > self._newest:
            self._miss(self._newest + 1, chunk.sequence, now_ns + _LATE_NS)
            self._newest = chunk.sequence

    def arrives(self, run_id: str, sequence: int) -> None:
        """This chunk is here: from now on it will not be told LOST."""
        self._missing.pop((run_id, sequence), None)
        for rest in self._rests:
            rest.take(run_id, sequence)

    def _miss(self, first: int, end: int, until_ns: int) -> None:
        """Of first .. end - 1 the newest are reported one by one, the rest as one."""
        singly = max(first, end - max(0, min(_LOST_SINGLY, _LOST_WAITING - len(self._missing))))
        if singly > first:
            rest = _Rest(self._run, first, singly - 1, until_ns, set())
            for key in self._early:
                rest.take(*key)
            self._rests.append(rest)
        for sequence in range(singly, end):
            if (self._run, sequence) not in self._early:
                self._missing[self._run, sequence] = until_ns

    def lost(self, now_ns: int) -> list[tuple[str, int, int]]:
        """Chunks that have been missing for too long, each once, a few in each call: run_id, sequence, how many others.

        Of a long gap the newest come one by one, and before them one that stands for all the others.
        """
        due = list(islice((rest for rest in self._rests if now_ns >= rest.until_ns), _LOST_AT_ONCE))
        self._rests = [rest for rest in self._rests if rest not in due]
        lost = [(rest.run_id, rest.last, rest.number - 1) for rest in due if rest.number]
        self._told_rests += due
        singly = (key for key, until in self._missing.items() if now_ns >= until)
        for key in list(islice(singly, _LOST_AT_ONCE - len(lost))):
            del self._missing[key]
            _remember(self._told, key, _TOLD_REMEMBERED)
            lost.append((*key, 0))
        return lost

    def clock_jumped(self, now_ns: int) -> None:
        """Times remembered are of another clock."""
        self._newest_stamp_ns = None
        for key in self._missing:
            self._missing[key] = now_ns + _LATE_NS
        for rest in self._rests:
            rest.until_ns = now_ns + _LATE_NS


def _remember(memory: OrderedDict, key, most: int = _RUNS_REMEMBERED) -> None:
    memory[key] = None
    while len(memory) > most:
        memory.popitem(last=False)
