"""Whether troubles of the link end in names, and end: silence, chunks that wait, refusals long after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vla_bench.fuzz.random_cell import MS
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import ControllerState

_SILENCE_NS = 250 * MS
_PATIENCE_NS = 250 * MS
_BEFORE_IT = (ControllerState.STOPPED, ControllerState.CONTENDED, ControllerState.WAITING_FOR_STATE)
_ABOUT_STATES = (Verdict.DESYNC, Verdict.NO_STATE)


@dataclass(frozen=True)
class Violated:
    """kind, amount and detail of what the episode adds to its findings."""

    kind: str
    amount: float
    detail: str = ""


class Told:
    """arms: how many. tick_ns: longest time between two calls of ``tick``. settled_ns: so long after the end of a trouble
    everything goes on."""

    def __init__(self, arms: int, tick_ns: int, settled_ns: int, add: Callable[[Violated], None]) -> None:
        self._tick_ns, self._settled_ns, self._add = tick_ns + 5 * MS, settled_ns, add
        self._heard_ns: list[int | None] = [None] * arms
        self._counts_from_ns = 0
        self._waiting: dict[tuple[str, int, int], int] = {}
        self._trouble_ns = 0
        self._silence_told = True

    def heard(self, arm: int, now_ns: int) -> None:
        """A state of an arm's trajectory controller is handed to the controller now."""
        self._heard_ns[arm] = now_ns

    def clock_set(self, now_ns: int) -> None:
        """Silence counts from the next tick."""
        self._counts_from_ns = now_ns + self._tick_ns

    def trouble(self, until_ns: int) -> None:
        """Something is wrong, or may make refusals right, until then."""
        self._trouble_ns = max(self._trouble_ns, until_ns)

    def handed_in(self, key: tuple[str, int, int], now_ns: int) -> None:
        """A chunk of this run, sequence and stamp."""
        self._waiting.setdefault(key, now_ns)

    def judge_status(self, status: ControllerState, now_ns: int) -> None:
        """Of a tick."""
        silences = [now_ns - heard for heard in self._heard_ns if heard is not None]
        longest = max(silences, default=0)
        if status is ControllerState.SILENT_CONTROLLER and longest < _SILENCE_NS - MS:
            self._add(Violated("told_silent_though_it_speaks", longest * 1e-9))
        counted = min(longest, now_ns - self._counts_from_ns)
        told = counted <= _SILENCE_NS + self._tick_ns or status is ControllerState.SILENT_CONTROLLER or status in _BEFORE_IT
        if not told and self._silence_told:
            self._add(Violated("silence_not_told", longest * 1e-9, status.name))
        self._silence_told = told
        for key, since_ns in self._waiting.items():
            if now_ns - since_ns > _PATIENCE_NS + self._tick_ns:
                self._add(Violated("waits_too_long", (now_ns - since_ns) * 1e-9, f"sequence {key[1]}"))
                self._waiting[key] = now_ns
            break  # they are in order of arrival

    def take(self, report: ChunkReport, now_ns: int) -> None:
        if report.phase is not Phase.SCHEDULED:
            return
        self._waiting.pop((report.run_id, report.sequence, report.chunk_stamp_ns), None)
        since_ns = now_ns - self._trouble_ns
        of_itself = report.message.startswith("reference_positions")  # of a chunk with a wrong stamp, not of the arm
        if report.verdict in _ABOUT_STATES and since_ns > self._settled_ns and not of_itself:
            self._add(Violated("refused_long_after", since_ns * 1e-9, f"{report.verdict.name}: {report.message[:90]}"))
