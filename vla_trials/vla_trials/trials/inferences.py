"""Evidence of each inference of a lockstep trial, gathered while the trial runs. Nothing in it is a time of the wall."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Phase
from vla_evidence.rows.rows import InferenceRow
from vla_trials.trials.result import TrialResult


class InferenceLog:
    """Follows the trials of a runner, one after the other."""

    def __init__(self, card: InterfaceCard) -> None:
        self._card = card
        self.begin()

    def begin(self) -> None:
        """A trial begins."""
        self._decided: list[InferenceRow] = []
        self._latencies_ns: list[int] = []
        self._reports: dict[tuple[Phase, int], ChunkReport] = {}

    def see(self, observation: VLAObservation, chunk: ActionChunk) -> None:
        """An observation and the chunk decided on it."""
        card = self._card
        self._decided.append(
            InferenceRow(
                run_id="",
                episode=0,
                sequence=chunk.sequence,
                stamp_ns=observation.stamp_ns,
                image_stamps_ns=tuple(observation.image_stamps_ns[name] for name in card.camera_names),
                cameras=tuple(card.camera_names),
                instruction=observation.instruction,
                state=tuple(observation.state.tolist()),
                action_space=card.action.space,
                names=tuple(card.action.names),
                horizon=chunk.horizon,
            )
        )

    def add_latency(self, latency_ns: int) -> None:
        """Of the last decision's chunk [ns]."""
        self._latencies_ns.append(latency_ns)

    def add_reports(self, reports: Iterable[ChunkReport]) -> None:
        """In order. A second report of a phase counts no more than the first."""
        for report in reports:
            self._reports.setdefault((report.phase, report.sequence), report)

    def rows(self, result: TrialResult) -> tuple[InferenceRow, ...]:
        """In order, without what the run folder knows: run, episode, and the hashes of card and checkpoint."""
        return tuple(
            replace(row, latency_ms=latency_ns / 1e6, **self._fate(row.sequence), **_bad(row.sequence, result))
            for row, latency_ns in zip(self._decided, self._latencies_ns, strict=True)
        )

    def _fate(self, sequence: int) -> dict:
        """What became of a chunk; empty of one that arrived after the trial's end."""
        closed = self._reports.get((Phase.CLOSED, sequence))
        report = closed or self._reports.get((Phase.SCHEDULED, sequence))
        if report is None:
            return {}
        fate: dict = {"verdict": report.verdict.name, "message": report.message}
        if closed is not None:  # what a plan may still come to is not what it has come to
            executed, clamped = closed.steps_executed, closed.steps_clamped
            fate |= {
                "steps_executed": executed,
                "steps_clamped": clamped,
                "clamped_share": clamped / executed if executed else 0.0,
                "clamps": tuple(clamp._asdict() for clamp in closed.clamps),
            }
        return fate


def _bad(sequence: int, result: TrialResult) -> dict:
    return {"bad": True, "label": result.label} if result.first_bad_sequence == sequence else {}
