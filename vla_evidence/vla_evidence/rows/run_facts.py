"""One run of the policy as a bag tells it, and the rows that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.instructions import Meaning, normalised
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import PolicyState
from vla_evidence.labels.finding import AT_LIMIT, Finding
from vla_evidence.labels.labels import label_rules, label_truth
from vla_evidence.labels.track import EpisodeTrack
from vla_evidence.ledger.section import Line
from vla_evidence.rows.latency import latency_of, most_frequent
from vla_evidence.rows.rows import EpisodeRow, InferenceRow
from vla_evidence.rows.truth import TruthSample


@dataclass
class RunFacts:
    """Grows while a bag is read.

    Attributes:
        received_ns: Receive time of its first message [ns].
        start_ns, end_ns: First and last sign of it, node time [ns].
        ended: The policy was seen without this run afterwards.
        failed: It ended in an error, in words.
        finding: Why it failed, once its rows were made; None: no label fits.
    """

    run_id: str
    received_ns: int
    track: EpisodeTrack
    info: PolicyInfo | None = None
    instruction: str = ""
    understood: str = ""
    """The card's sentence that the policy node took it for; empty: none, or a bag of before it said so."""
    known: Mapping[str, Meaning] = field(default_factory=dict)
    """Of the card: normalised sentence -> meaning."""
    start_ns: int = 0
    end_ns: int = 0
    ended: bool = False
    failed: str = ""
    last_state: PolicyState = PolicyState.RUNNING
    chunks: dict[int, tuple[ActionChunk, tuple[float, ...]]] = field(default_factory=dict)
    scheduled: dict[int, ChunkReport] = field(default_factory=dict)
    closed: dict[int, ChunkReport] = field(default_factory=dict)
    brakes: set[int] = field(default_factory=set)
    truth: TruthSample | None = None
    done_before: bool = False
    success_ns: int | None = None
    done_since_ns: int | None = None
    finding: Finding | None = None

    def seen(self, stamp_ns: int) -> None:
        """The run was alive at this instant."""
        if stamp_ns:
            self.start_ns = min(self.start_ns or stamp_ns, stamp_ns)
            self.end_ns = max(self.end_ns, stamp_ns)

    def on_report(self, report: ChunkReport) -> None:
        """Either phase; a second report of a phase counts no more than the first."""
        kept = self.scheduled if report.phase is Phase.SCHEDULED else self.closed
        if report.sequence not in kept:
            # Plans are needed once, here, and are what takes memory.
            kept[report.sequence] = replace(report, planned_actions=np.empty((0, 0)), step_stamps_ns=(), names=())
            self.track.add_report(report)

    def on_truth(self, truth: TruthSample) -> bool:
        """Whether it is about this run: its words, after its start, and of one layout of the scene."""
        if self.instruction and not self._is_about(truth.instruction):
            return False
        if not self.start_ns or truth.stamp_ns < self.start_ns:
            return False
        if self.truth is None:
            self.done_before = truth.succeeded_once or truth.success
        elif truth.episode != self.truth.episode:
            return False
        self.truth = truth
        if truth.succeeded_once and self.success_ns is None:
            self.success_ns = truth.stamp_ns
        if not truth.success:
            self.done_since_ns = None
        elif self.done_since_ns is None:
            self.done_since_ns = truth.stamp_ns
        return True

    def _task(self) -> str:
        """The card's task that is meant; empty: none."""
        meaning = self.known.get(normalised(self.understood or self.instruction))
        return meaning.task if meaning else ""

    def _is_about(self, words: str) -> bool:
        """The simulator's sentence means what this run's does, as the policy node understood it or by the card."""
        if normalised(words) == normalised(self.instruction):
            return True
        asked = self.known.get(normalised(self.understood or self.instruction))
        return asked is not None and asked.is_same(self.known.get(normalised(words)))

    def outcome(self, limit_s: float | None) -> tuple[str, str]:
        """Outcome and source.

        SUCCESS where the task was done and stayed done, or was done when the run ended: the policy node ends a run as soon as
        it is done. FAILURE only of a run that had its time, or broke down: what was broken off did not fail.
        """
        if self.truth is None or self.done_before:
            return "UNKNOWN", ""
        if self.done_ns is not None:
            return "SUCCESS", "SIM"
        had_its_time = limit_s is not None and (self.end_ns - self.start_ns) / 1e9 >= AT_LIMIT * limit_s
        broken_down = bool(self.failed) or self.last_state >= PolicyState.STALE_INPUT
        return ("FAILURE", "SIM") if self.ended and (had_its_time or broken_down) else ("UNKNOWN", "")

    @property
    def done_ns(self) -> int | None:
        """When ground truth first showed success [ns], None where it never did."""
        if self.success_ns is not None:
            return self.success_ns
        return self.done_since_ns if self.ended else None

    def rows(
        self, episode: int, card: InterfaceCard, *, timing: Mapping[int, Line], time_limit_s: float | None = None,
        views: dict[str, float] | None = None,
    ) -> tuple[EpisodeRow, list[InferenceRow]]:  # fmt: skip
        """The episode's row, and one for each inference, in order.

        Args:
            timing: Lines of the ledger on this run by sequence: no latency is known but from there.
        """
        truth = self.truth
        task = truth.task if truth else self._task()
        known = {t.name: t.time_limit for t in card.tasks}
        limit = time_limit_s if time_limit_s is not None else known.get(task)
        outcome, source = self.outcome(limit)
        for track in self.track.each_arm:
            track.info = replace(
                track.info, task=task, instruction=self.instruction, target=truth.target if truth else "",
                destination=(truth.destination or None) if truth else None, time_limit_s=limit,
            )  # fmt: skip
        self.track.finish(self.end_ns, {"SUCCESS": True, "FAILURE": False}.get(outcome))
        finding = self.finding = self._finding(outcome, views)
        inferences = [self._inference(episode, s, card, finding, timing.get(s)) for s in self._sequences()]
        latencies = [row.latency_ms for row in inferences if row.latency_ms is not None]
        executed = sum(row.steps_executed for row in inferences)
        clamped = sum(row.steps_clamped for row in inferences)
        info = self.info
        last = self.done_ns if outcome == "SUCCESS" else self.end_ns
        return EpisodeRow(
            run_id=self.run_id,
            episode=episode,
            task=task,
            seed=truth.seed if truth else None,
            instruction=self.instruction or (truth.instruction if truth else ""),
            card_name=info.card_name if info else card.name,
            card_hash=info.card_hash if info else card.card_hash,
            policy_hash=info.policy_hash if info else card.policy_hash,
            checkpoint=info.checkpoint if info else "",
            checkpoint_hash=info.checkpoint_hash if info else "",
            policy=info.policy if info else "",
            head=info.head if info else "",
            action_space=card.action.space,
            cameras=tuple(card.camera_names),
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            seconds=round((last - self.start_ns) / 1e9, 3),
            inferences=len(inferences),
            steps_executed=executed,
            steps_clamped=clamped,
            steps_skipped=sum(r.steps_skipped for r in self.closed.values()),
            clamped_share=clamped / executed if executed else 0.0,
            refused=dict(self.track.refused),
            outcome=outcome,
            outcome_source=source,
            first_bad_sequence=finding.sequence if finding else None,
            first_bad_stamp_ns=finding.stamp_ns if finding else None,
            label=str(finding.label) if finding else "",
            first_touched=truth.first_touched if truth else "",
            target=truth.target if truth else "",
            latency_p50_ms=float(np.percentile(latencies, 50)) if latencies else None,
            latency_p99_ms=float(np.percentile(latencies, 99)) if latencies else None,
            latency_unknown="" if latencies else most_frequent(row.latency_unknown for row in inferences),
        ), inferences

    def _finding(self, outcome: str, views: dict[str, float] | None) -> Finding | None:
        if not self.track.samples:  # without joint states, the reports and the images still tell
            for track in self.track.each_arm:
                track.append(self.start_ns)
        if self.track.end_ns < self.track.start_ns:
            return None
        if outcome == "FAILURE":
            return label_truth(self.track)
        return label_rules(self.track, views=views) if self.truth is None else None

    def _sequences(self) -> list[int]:
        """Of all inferences: chunks that were recorded, and those of which a report alone tells. Brakes are none."""
        reported = {s for s, r in [*self.scheduled.items(), *self.closed.items()] if r.verdict is not Verdict.BRAKE}
        return sorted((reported | set(self.chunks)) - self.brakes)

    def _inference(
        self, episode: int, sequence: int, card: InterfaceCard, finding: Finding | None, line: Line | None
    ) -> InferenceRow:
        chunk, state = self.chunks.get(sequence, (None, ()))
        report = self.closed.get(sequence) or self.scheduled.get(sequence)
        bad = finding is not None and finding.sequence == sequence
        latency = latency_of(line)
        fields: dict = {"latency_ms": latency.ms, "latency_unknown": latency.why, "inference_ms": latency.inference_ms}
        if chunk is not None:
            fields |= {
                "stamp_ns": chunk.stamp_ns, "image_stamps_ns": chunk.image_stamps_ns, "state": state,
                "cameras": tuple(card.camera_names), "action_space": chunk.action_space.name, "names": chunk.names,
                "horizon": chunk.horizon, "card_hash": chunk.card_hash,
                "checkpoint_hash": self.info.checkpoint_hash if self.info else "",
            }  # fmt: skip
        if report is not None:
            closed = report.phase is Phase.CLOSED
            fields |= {
                "verdict": report.verdict.name, "message": report.message,
                "steps_executed": report.steps_executed if closed else 0,
                "steps_clamped": report.steps_clamped if closed else 0,
                "clamped_share": report.steps_clamped / report.steps_executed if closed and report.steps_executed else 0.0,
                "clamps": tuple(c._asdict() for c in report.clamps) if closed else (),
            }  # fmt: skip
            if chunk is None:
                fields["stamp_ns"] = report.chunk_stamp_ns
        return InferenceRow(
            run_id=self.run_id, episode=episode, sequence=sequence, instruction=self.instruction,
            bad=bad, label=str(finding.label) if bad else "", **{"stamp_ns": 0, **fields},
        )  # fmt: skip
