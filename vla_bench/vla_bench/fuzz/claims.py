"""Whether steps that are reported as executed were: where the arm was, by what its trajectory controller had said meanwhile."""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.leaps import Leaps
from vla_bench.fuzz.random_cell import MS
from vla_contract.report import ChunkReport, Phase

_SLACK_NS = 60 * MS  # messages and ticks take their time


class Claims:
    """tolerances: how far an arm may be off a step that counts as executed [rad]. allowance_ns: how long after the first state
    that shows an arm off what was asked, steps may still be reported, by arm."""

    def __init__(self, leaps: Leaps, tolerances: list[float], allowances_ns: list[int]) -> None:
        self._leaps, self._tolerances, self._allowances_ns = leaps, tolerances, allowances_ns
        self._due: dict[tuple[str, int, int], tuple[np.ndarray, int]] = {}
        self._off_since: list[int | None] = [None] * len(tolerances)
        self._stretches: list[list[tuple[int, int]]] = [[] for _ in tolerances]  # known to be off, from and until [ns]

    def heard(self, arm: int, of_ns: int, now_ns: int) -> None:
        """A state that was made at of_ns is heard."""
        off = self._leaps.off_by(arm, of_ns)[0] > self._tolerances[arm]
        if off and self._off_since[arm] is None:
            self._off_since[arm] = now_ns
        elif not off and self._off_since[arm] is not None:
            self._stretches[arm].append((self._off_since[arm], of_ns))
            self._off_since[arm] = None

    def take(self, report: ChunkReport, ahead_ns: int, now_ns: int) -> tuple[float, str] | None:
        """By how long after it was known [s] that it was not, a step counts as executed, and where; None: none does.

        ahead_ns: clock minus physical time.
        """
        key = (report.run_id, report.sequence, report.chunk_stamp_ns)
        if report.phase is Phase.SCHEDULED:
            if len(report.step_stamps_ns):
                self._due[key] = np.asarray(report.step_stamps_ns) - ahead_ns, report.steps_skipped
            return None
        due, first = self._due.pop(key, (np.zeros(0), 0))
        worst = None
        for step in range(first, first + report.steps_executed):
            at_ns = int(due[step]) if step < len(due) else now_ns
            for arm, allowance in enumerate(self._allowances_ns):
                late = self._known_off(arm, at_ns) - allowance - _SLACK_NS
                off = self._leaps.off_by(arm, min(at_ns, now_ns))[0]
                if late > 0 and off > self._tolerances[arm] and (worst is None or late * 1e-9 > worst[0]):
                    worst = late * 1e-9, f"step {step} of sequence {report.sequence}, {off:.3g} rad off, arm {arm}"
        return worst

    def _known_off(self, arm: int, at_ns: int) -> int:
        """For how long the arm had been known to be off at an instant [ns]."""
        if self._off_since[arm] is not None and at_ns >= self._off_since[arm]:
            return at_ns - self._off_since[arm]
        return max((at_ns - since for since, until in self._stretches[arm] if since <= at_ns < until), default=0)
