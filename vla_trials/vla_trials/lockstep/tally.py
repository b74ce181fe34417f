"""Counts of a trial under way."""

from __future__ import annotations

import numpy as np

from vla_contract.report import ChunkReport, Phase, Verdict


class Tally:
    """Counts over the reports of a trial, and what the driver adds to them."""

    def __init__(self) -> None:
        self.executed = 0
        self.clamped = 0
        self.refused: dict[str, int] = {}
        self.skipped = 0
        self.blind = 0
        """Frames on which a decision was due and could not be made."""
        self.latencies_ns: list[int] = []
        """Injected, one a chunk."""

    def latency_ms(self, percentile: float) -> float | None:
        """Of the injected ones [ms]; None without a chunk."""
        if not self.latencies_ns:
            return None
        return round(float(np.percentile(self.latencies_ns, percentile)) / 1e6, 3)

    def take(self, reports: list[ChunkReport]) -> None:
        """What the controller reported, in order."""
        for report in reports:
            if report.phase is not Phase.CLOSED:
                continue
            self.executed += report.steps_executed
            self.clamped += report.steps_clamped
            self.skipped += report.steps_skipped
            if report.verdict not in (Verdict.ACCEPTED, Verdict.BRAKE):
                self.refused[report.verdict.name] = self.refused.get(report.verdict.name, 0) + 1
