"""One run of the policy as a bag tells it, and the rows that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import PolicyState
from vla_eval.evidence.finding import AT_LIMIT, Finding
from vla_eval.evidence.labels import label_rules, label_truth
from vla_eval.evidence.rows import EpisodeRow, InferenceRow
from vla_eval.evidence.track import EpisodeTrack

LONGEST_LATENCY_MS = 60_000.0
"""Above this, and below zero, two stamps come from different clocks [ms]."""


@dataclass(frozen=True)
class TruthSample:
    """A TaskState, without its message."""

    stamp_ns: int
    task: str
    seed: int
    instruction: str
    episode: int
    success: bool
    succeeded_once: bool
    target: str
    first_touched: str
    held: str
    objects: dict[str, np.ndarray]


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
        if self.instruction and truth.instruction.lower().split() != self.instruction.lower().split():
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
        """When ground truth first told success [ns], None where it never did."""
        if self.success_ns is not None:
            return self.success_ns
        return self.done_since_ns if self.ended else None

    def rows(
        self, episode: int, card: InterfaceCard, *, time_limit_s: float | None = None, views: dict[str, float] | None = None
    ) -> tuple[EpisodeRow, list[InferenceRow]]:  # fmt: skip
        """The episode's row, and one for each inference, in order."""
        truth = self.truth
        task = truth.task if truth else _task_of(card, self.instruction)
        known = {t.name: t.time_limit for t in card.tasks}
        limit = time_limit_s if time_limit_s is not None else known.get(task)
        outcome, source = self.outcome(limit)
        for track in self.track.each_arm:
            track.info = replace(
                track.info, task=task, instruction=self.instruction, target=truth.target if truth else "",
                destination=_destination(truth), time_limit_s=limit,
            )  # fmt: skip
        self.track.finish(self.end_ns, {"SUCCESS": True, "FAILURE": False}.get(outcome))
        finding = self.finding = self._finding(outcome, views)
        inferences = [self._inference(episode, s, card, finding) for s in self._sequences()]
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
        ), inferences

    def _finding(self, outcome: str, views: dict[str, float] | None) -> Finding | None:
        if not self.track.samples:  # without joint states, the reports and the pictures still tell
            for track in self.track.each_arm:
                track.append(self.start_ns)
        if self.track.end_ns < self.track.start_ns:
            return None
        if outcome == "FAILURE":
            return label_truth(self.track)
        return label_rules(self.track, views=views) if self.truth is None else None

    def _sequences(self) -> list[int]:
        """Of all inferences: chunks that were recorded, and those of which a report alone tells. Brakes are none."""
        told = {s for s, r in [*self.scheduled.items(), *self.closed.items()] if r.verdict is not Verdict.BRAKE}
        return sorted((told | set(self.chunks)) - self.brakes)

    def _inference(self, episode: int, sequence: int, card: InterfaceCard, finding: Finding | None) -> InferenceRow:
        chunk, state = self.chunks.get(sequence, (None, ()))
        report = self.closed.get(sequence) or self.scheduled.get(sequence)
        bad = finding is not None and finding.sequence == sequence
        fields: dict = {}
        if chunk is not None:
            fields |= {
                "stamp_ns": chunk.stamp_ns, "image_stamps_ns": chunk.image_stamps_ns, "state": state,
                "cameras": tuple(card.camera_names), "action_space": chunk.action_space.name, "names": chunk.names,
                "horizon": chunk.horizon, "card_hash": chunk.card_hash,
                "checkpoint_hash": self.info.checkpoint_hash if self.info else "",
                "inference_ms": _span_ms(chunk.inference_start_steady_ns, chunk.inference_end_steady_ns),
                "latency_ms": latency_ms(chunk, report),
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


def latency_ms(chunk: ActionChunk, report: ChunkReport | None) -> float | None:
    """From the camera's stamp to the arrival at the controller [ms]: to the start of inference on the node clock, from there
    on the steady clock. None where a stamp is missing, or the result shows that the clocks are not one host's."""
    if report is None or not (report.received_steady_ns and chunk.inference_start_steady_ns and chunk.inference_start_ns):
        return None
    ns = chunk.inference_start_ns - chunk.stamp_ns + report.received_steady_ns - chunk.inference_start_steady_ns
    return ns / 1e6 if 0 <= ns / 1e6 <= LONGEST_LATENCY_MS else None


def _span_ms(start_ns: int, end_ns: int) -> float | None:
    return (end_ns - start_ns) / 1e6 if start_ns and end_ns >= start_ns else None


def _task_of(card: InterfaceCard, instruction: str) -> str:
    """The card's task that has this sentence; empty: none."""
    words = instruction.lower().split()
    for task in card.tasks:
        if any(sentence.lower().split() == words for sentence in task.instructions()):
            return task.name
    return ""


def _destination(truth: TruthSample | None) -> str | None:
    """Where the target is to go, which TaskState does not say: the bowl, the coaster, or the other block that is named."""
    if truth is None or truth.task == "pick":
        return None
    fixed = {"place_in_bowl": "bowl", "cup_on_coaster": "coaster"}.get(truth.task)
    if fixed is not None:
        return fixed
    words = set(truth.instruction.lower().split())
    named = [n for n in truth.objects if n != truth.target and n.endswith("_block") and n.split("_")[0] in words]
    return named[0] if named else None
