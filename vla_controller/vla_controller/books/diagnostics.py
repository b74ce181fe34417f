"""How well the controller is doing, in words, for /diagnostics. No ROS here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from vla_contract.report import ChunkReport, Phase
from vla_contract.status import ControllerState
from vla_controller.books.output import Snapshot

WINDOW_NS = 1_000_000_000
"""Refused and lost chunks count as new for this long [ns]."""

NEAR = 0.8
"""Share of what the strategy allows from which on a delay is near it."""


class Level(IntEnum):
    """Numbered as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


# ERROR: the arm braked because something failed. WARN: it cannot move yet, or because a person wants it so.
_LEVELS = {
    ControllerState.WAITING_FOR_STATE: (Level.WARN, "waiting for joint states"),
    ControllerState.IDLE: (Level.OK, "at rest, ready for a chunk"),
    ControllerState.TRACKING: (Level.OK, "executing a chunk"),
    ControllerState.BRAKING: (Level.OK, "coming to rest"),
    ControllerState.STOPPED: (Level.WARN, "stop is latched; resume releases it"),
    ControllerState.DESYNC: (Level.ERROR, "measured and commanded motion disagree"),
    ControllerState.STALE_STATE: (Level.ERROR, "joint states have stopped arriving"),
    ControllerState.SILENT_CONTROLLER: (Level.ERROR, "a trajectory controller has fallen silent"),
    ControllerState.HOMING: (Level.OK, "moving to the card's home"),
    ControllerState.CONTENDED: (Level.ERROR, "another node commands this arm"),
}


@dataclass(frozen=True)
class Health:
    """level, the reason in words, and what was measured, by name."""

    level: Level
    message: str
    values: dict[str, str]


@dataclass
class Monitor:
    """Judges snapshots of the controller. Times are those of one clock [ns]; one set back makes it forget."""

    _refused: deque[tuple[int, int, int]] = field(default_factory=deque)
    _delay_ns: int | None = None

    def on_report(self, report: ChunkReport) -> None:
        """Remembers how long after its observation the newest accepted chunk was planned."""
        if report.phase is Phase.SCHEDULED and not report.verdict.is_refusal:
            self._delay_ns = report.stamp_ns - report.chunk_stamp_ns

    def judge(
        self, snapshot: Snapshot | None, now_ns: int, *, message: str, speed_scale: float, dry_run: bool
    ) -> Health:
        """snapshot: None where the controller has no robot model yet; message then says why."""
        values = {"speed scale": f"{speed_scale:g}", "dry run": str(dry_run)}
        if snapshot is None:
            return Health(Level.WARN, message, values)
        level, words = _LEVELS[snapshot.state]
        words = snapshot.message or words
        counts = snapshot.counts
        refused, lost = self._recent(counts.chunks_refused, counts.chunks_lost, now_ns)
        if refused or lost:
            level = max(level, Level.WARN)
            recent = [f"{number} {what}" for number, what in ((refused, "refused"), (lost, "lost")) if number]
            words += f"; chunks of the last second: {', '.join(recent)}"
        delay_ns, bound_ns = snapshot.delay_ns, snapshot.delay_bound_ns
        # At rest a chunk starts whatever its delay, and the delays are those of a run that may be over.
        if bound_ns and delay_ns >= NEAR * bound_ns and snapshot.state is ControllerState.TRACKING:
            level = max(level, Level.WARN)
            words += (
                f"; chunks arrive {delay_ns * 1e-6:.0f} ms after their observation (95th percentile), the strategy allows "
                f"{max(0, bound_ns) * 1e-6:.0f} ms: make the policy faster, or its chunks or their committed steps longer"
            )
        if dry_run:
            words += "; dry run: nothing is commanded"
        delay = "none yet" if self._delay_ns is None else f"{self._delay_ns * 1e-6:.1f}"
        values |= {
            "state": snapshot.state.name,
            "joint state age [ms]": f"{snapshot.state_age_ns * 1e-6:.1f}",
            "tracking error [rad]": f"{snapshot.tracking_error:.5f}",
            "chunk delay [ms]": delay,
            "delay to arrival, 95th percentile [ms]": f"{delay_ns * 1e-6:.1f}" if delay_ns else "none yet",
            "delay allowed by the strategy [ms]": f"{max(0, bound_ns) * 1e-6:.1f}" if bound_ns else "unknown",
            "run": snapshot.run_id or "none yet",
            **{name.replace("_", " "): str(count) for name, count in vars(counts).items()},
        }
        return Health(level, words, values)

    def _recent(self, refused: int, lost: int, now_ns: int) -> tuple[int, int]:
        """How many more have been refused and lost than a second ago."""
        past = self._refused
        if past and now_ns < past[-1][0]:
            past.clear()
        past.append((now_ns, refused, lost))
        while len(past) > 1 and past[1][0] <= now_ns - WINDOW_NS:
            past.popleft()
        return refused - past[0][1], lost - past[0][2]
