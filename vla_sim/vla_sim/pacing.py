"""When the next step of a simulated cell is due: by the steady clock, stamped by a clock that may be set. No ROS here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vla_contract.clocks import clock_lead_ns

SLIP_NS = 100_000_000
"""A machine that falls behind by this much skips time instead of running after it [ns]."""
SET_NS = 20_000_000
"""A clock that has parted from the steady one by this much was set [ns]. Cameras and robots stamp with it from then on."""


@dataclass(frozen=True)
class Turn:
    """set_ns: add it to the cell's time, as the clock was set, and ask again [ns]. wait_s: wait as long, and ask again [s].
    Else the step is due, after slipped_ns were added, as the machine was too slow [ns]."""

    wait_s: float = 0.0
    slipped_ns: int = 0
    set_ns: int = 0


class Pacer:
    """Ask ``turn`` before each step, and do first what it says.

    Args:
        start_ns: The cell's time now [ns].
        step_ns: Its step; times skipped and set are multiples of it [ns].
        rate: Seconds of the cell for one second of the wall.
        clock: The clock whose stamps the cell gives [ns]; None: it has a time of its own.
        steady: A clock that is never set [ns].
    """

    def __init__(
        self, start_ns: int, step_ns: int, *, rate: float = 1.0, clock: Callable[[], int] | None = None,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._step_ns, self._rate = step_ns, rate
        self._clock, self._steady = clock, steady
        self._origin_ns, self._since_ns = start_ns, steady()
        self._lead_ns = self._lead()

    def turn(self, now_ns: int) -> Turn:
        """What comes first, at this time of the cell [ns]."""
        set_ns = self._set()
        if set_ns:
            self._origin_ns += set_ns
            return Turn(set_ns=set_ns)
        behind_ns = self._origin_ns + int((self._steady() - self._since_ns) * self._rate) - now_ns
        if behind_ns < self._step_ns:
            return Turn(wait_s=(self._step_ns - behind_ns) / self._rate * 1e-9)
        return Turn(slipped_ns=(behind_ns - self._step_ns) // self._step_ns * self._step_ns if behind_ns > SLIP_NS else 0)

    def _lead(self) -> int | None:
        """The clock minus the steady one [ns]; None where the two could not be read together."""
        return 0 if self._clock is None else clock_lead_ns(self._clock, self._steady)

    def _set(self) -> int:
        lead_ns = self._lead()
        if lead_ns is None:
            return 0
        if self._lead_ns is None:
            self._lead_ns = lead_ns
        parted_ns = lead_ns - self._lead_ns
        if abs(parted_ns) < SET_NS:
            return 0
        set_ns = round(parted_ns / self._step_ns) * self._step_ns
        self._lead_ns += set_ns
        return set_ns
