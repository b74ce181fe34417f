"""Whether the clock was set, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vla_contract.clocks import clock_lead_ns

_JUMP_NS = 10_000_000
_BACK, _AHEAD = "the clock was set back", "the clock was set ahead"


@dataclass(frozen=True)
class ClockJump:
    """words: which way it was set. by_ns: how far [ns]; None: not known."""

    words: str
    by_ns: int | None


class ClockWatch:
    """Compares a clock with one that is never set.

    clock: the time as it goes on [ns]; None: as calls give it. steady: never set [ns]; None: there is none, and only a
    clock that goes back is noticed. simulated: the clock is a simulator's, which may run at any rate; the same holds for it.
    """

    def __init__(
        self, clock: Callable[[], int] | None, steady: Callable[[], int] | None, *, simulated: bool = False
    ) -> None:
        self._clock, self._steady, self._simulated = clock, steady, simulated
        self._now_ns: int | None = None
        self._lead_ns: int | None = None

    def was_set(self, now_ns: int) -> bool:
        """Since the last ``take``, where the clock now shows this [ns]."""
        return self._now_ns is not None and self._jump(now_ns, self._lead(now_ns)) is not None

    def set_meanwhile(self) -> bool:
        """Since the last ``take``, while a call lasts; only with a clock that goes on meanwhile."""
        if self._clock is None or self._lead_ns is None:
            return False
        lead_ns = self._lead(0)
        return lead_ns is not None and self._tells(lead_ns) and abs(lead_ns - self._lead_ns) > _JUMP_NS

    def take(self, now_ns: int) -> ClockJump | None:
        """What happened since the last call; from now on it is in the past."""
        lead_ns = self._lead(now_ns)
        jump = None if self._now_ns is None else self._jump(now_ns, lead_ns)
        self._now_ns = now_ns
        pending = self._tells(lead_ns) and jump is None and abs(lead_ns - self._lead_ns) > _JUMP_NS
        if lead_ns is not None and not pending:
            self._lead_ns = lead_ns
        return jump

    def _tells(self, lead_ns: int | None) -> bool:
        """The steady clock can tell whether the other one was set."""
        return not self._simulated and lead_ns is not None and self._lead_ns is not None

    def _jump(self, now_ns: int, lead_ns: int | None) -> ClockJump | None:
        by_ns = None if lead_ns is None or self._lead_ns is None else lead_ns - self._lead_ns
        if not self._tells(lead_ns):
            return ClockJump(_BACK, by_ns) if now_ns < self._now_ns - _JUMP_NS else None
        if abs(by_ns) <= _JUMP_NS:
            return None
        given_ns = now_ns - self._steady()
        if abs(given_ns - self._lead_ns) < abs(given_ns - lead_ns):
            return None  # now_ns was read before the clock was set: what is done with it still belongs there
        return ClockJump(_BACK if by_ns < 0 else _AHEAD, by_ns)

    def _lead(self, now_ns: int) -> int | None:
        """The clock minus the steady one [ns]; None where the two could not be read together."""
        if self._steady is None:
            return None
        if self._clock is None:
            return now_ns - self._steady()
        return clock_lead_ns(self._clock, self._steady)
