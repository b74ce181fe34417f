"""When to decide, when to brake, when to wait and when to end: the one pacer of live runs, lockstep, shadow and replay. Pure.

It has no clock, no thread and no sleep, and publishes nothing: whoever ticks it says what time it is and does what it answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_contract.status import RunError
from vla_policy.errors import ObservationError
from vla_policy.running.ending import End, ending
from vla_policy.running.run_record import ERROR_OF, RunRecord

GRACE_NS = 1_500_000_000
STILL_NS = 5_000_000_000


@dataclass(frozen=True)
class Pacing:
    """How a run is paced."""

    replan_ns: int
    """From an observation that is decided from to the next [ns]; 0: each newer one is."""
    grace_ns: int | None = GRACE_NS
    """How long the input may be unfit, or the controller silent, before the run ends [ns]; None: for ever."""
    refusals: int | None = 10
    """So many chunks refused in a row end the run, one of a stopped or contended controller at once; None: they never do."""
    still_ns: int = STILL_NS
    """Longest steady time without a new image, whatever the other clock says [ns]."""
    camera: str = "first camera"
    """Name of the first camera, for messages."""
    early_ns: int = 0
    """An observation that comes so much before its time is on time [ns]: where stamps come in steps."""


def replan_ns(card: InterfaceCard, replan_steps: int) -> int:
    """Time of so many steps [ns]. Raises ValueError for none of them, or more than a chunk has."""
    if not 1 <= replan_steps <= card.action.horizon:
        raise ValueError(f"replan_steps is {replan_steps}, allowed are 1 to the horizon, {card.action.horizon}")
    return replan_steps * card.step_period_ns


@dataclass(frozen=True)
class Decide:
    """Infer from this observation, and send the chunk unless ``Pace.ending`` says by then that it is too late."""

    observation: VLAObservation


@dataclass(frozen=True)
class Brake:
    """The input has become unfit: tell the arm to come to rest."""

    error: ObservationError


@dataclass(frozen=True)
class Wait:
    """Nothing to do until a newer image comes; with ``error``: until the input, which has been unfit for a while, is fit."""

    error: ObservationError | None = None


Step = Decide | Brake | Wait | End


class Pace:
    """Paces one run. One thread ticks it, with the record's lock held where others write to the record.

    Args:
        pacing: How.
        record: The run, asked for reasons to end. Written to in one case: a clock that was set back starts its time anew.
            None: another's run is followed, which ends when it ends.
    """

    def __init__(self, pacing: Pacing, record: RunRecord | None = None) -> None:
        self._pacing, self._record = pacing, record
        self._decided_ns: int | None = None
        self._unfit_since_ns: int | None = None
        self._newest_ns: int | None = None
        self._moved_at_ns = 0

    @property
    def unfit(self) -> bool:
        """The newest look found the input unfit."""
        return self._unfit_since_ns is not None

    def due(self, newest_ns: int) -> bool:
        """An observation of this stamp [ns] would be decided from. Where it would not, nobody has to make one to go on."""
        return self._is_time(newest_ns) or self._is_before(newest_ns)

    def ending(self, now_ns: int) -> End | None:
        """Why the run is over now [ns], or None. ``step`` asks first of all; ask again after a long inference."""
        if self._record is None:
            return None
        return ending(self._record, now_ns, refusals=self._pacing.refusals, grace_ns=self._pacing.grace_ns)

    def step(
        self, now_ns: int, newest_ns: int, seen: VLAObservation | ObservationError | None, steady_ns: int | None = None
    ) -> Step:
        """What to do now. A decision that is given out counts as made.

        now_ns: Time on the clock of the stamps [ns].
        newest_ns: Stamp of the first camera's newest image [ns]; 0: there is none.
        seen: The observation of now, or why there is none; None: nobody looked, because no decision is ``due``.
        steady_ns: Time on a steady clock [ns]; None in virtual time, which does not stand still.
        """
        end = self.ending(now_ns)
        if end is not None:
            return end
        if self._is_before(newest_ns):
            self._clock_was_set_back(now_ns)
        if steady_ns is not None and self._stands_still(newest_ns, steady_ns):
            words = f"no new image for {self._pacing.still_ns / 1e9:g} s of wall time, and the clock may have stopped"
            return End(RunError.STALE_INPUT, f"{self._pacing.camera}: {words}")
        if isinstance(seen, ObservationError):
            return self._on_unfit(now_ns, seen)
        if seen is None:
            return Wait()
        self._unfit_since_ns = None
        if not self._is_time(seen.stamp_ns):
            return Wait()
        self._decided_ns = seen.stamp_ns
        return Decide(seen)

    def _is_time(self, stamp_ns: int) -> bool:
        if self._decided_ns is None:  # what was seen before the run began may be of another scene, and is old by now
            return self._record is None or stamp_ns >= self._record.started_ns
        return stamp_ns > self._decided_ns and stamp_ns >= self._decided_ns + self._pacing.replan_ns - self._pacing.early_ns

    def _is_before(self, stamp_ns: int) -> bool:
        """Of the last decision: images are never older, unless the clock was set back."""
        return self._decided_ns is not None and stamp_ns < self._decided_ns

    def _on_unfit(self, now_ns: int, error: ObservationError) -> Step:
        if self._unfit_since_ns is None:
            self._unfit_since_ns = now_ns
            return Brake(error)
        self._unfit_since_ns = min(self._unfit_since_ns, now_ns)  # a clock that was set back prolongs no grace
        grace_ns = self._pacing.grace_ns
        if grace_ns is not None and now_ns - self._unfit_since_ns >= grace_ns:
            return End(ERROR_OF[error.kind], str(error))
        return Wait(error)

    def _stands_still(self, newest_ns: int, steady_ns: int) -> bool:
        if newest_ns != self._newest_ns:
            self._newest_ns, self._moved_at_ns = newest_ns, steady_ns
        return steady_ns - self._moved_at_ns > self._pacing.still_ns

    def _clock_was_set_back(self, now_ns: int) -> None:
        self._decided_ns = None
        if self._record is not None:
            self._record.begin_again(now_ns)
