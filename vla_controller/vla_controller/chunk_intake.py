"""What becomes of chunks that arrive: refused, or the newest planned, at once or behind a trajectory controller's word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_controller import cut
from vla_controller.books.output import Output
from vla_controller.books.reports import ReportBook
from vla_controller.commanded_motion import CommandedMotion
from vla_controller.intake.admission import Admission
from vla_controller.intake.delays import DelayWatch
from vla_controller.intake.watch import Watch
from vla_controller.refusal import Refusal

_PATIENCE_NS = 250_000_000


@dataclass(frozen=True)
class _Held:
    """A chunk that waits, since since_ns [ns], for the word of a trajectory controller; received at received_steady_ns [ns]."""

    chunk: ActionChunk
    since_ns: int
    received_steady_ns: int


class ChunkIntake:
    """From chunks to motion and reports. At most one chunk waits: the newest that was let in."""

    def __init__(
        self, admission: Admission, delays: DelayWatch, watch: Watch, motion: CommandedMotion, book: ReportBook
    ) -> None:
        self._admission, self._delays, self._watch, self._motion, self._book = admission, delays, watch, motion, book
        self._held: _Held | None = None

    def take(self, chunks: Sequence[ActionChunk], now_ns: int, received_steady_ns: int, output: Output) -> None:
        """Chunks in order of arrival. Only the newest of those that may be executed is planned; the others are superseded."""
        newest: ActionChunk | None = None
        for chunk in chunks:
            refusal = self._admit(chunk, now_ns)
            if refusal is None and self._held is not None:
                overtaken = Refusal(Verdict.SUPERSEDED, f"sequence {chunk.sequence} arrived while this one waited")
                self._end_waiting(overtaken, now_ns, output)
            if refusal is None and newest is not None:
                overtaken = Refusal(Verdict.SUPERSEDED, f"sequence {chunk.sequence} arrived before this one was planned")
                output.reports += self._book.refuse(newest, *overtaken, now_ns, received_steady_ns)
                newest = None
            if refusal is None and chunk.horizon == 0:
                self._motion.brake(now_ns, "a chunk of horizon 0", output)
                refusal = Refusal(Verdict.BRAKE, "braking")
            if refusal is None:
                newest = chunk
            else:
                output.reports += self._book.refuse(chunk, *refusal, now_ns, received_steady_ns)
        if newest is not None:
            refusal = self._follow(newest, now_ns, received_steady_ns, output)
            if refusal is not None:
                output.reports += self._book.refuse(newest, *refusal, now_ns, received_steady_ns)

    def look_at_held(self, now_ns: int, output: Output) -> None:
        """The chunk that waits is planned once trajectory controllers have shown that they follow; refused where they do not."""
        held = self._held
        if held is None:
            return
        missing, refusal = self._watch.unconfirmed(now_ns), self._watch.refusal(now_ns)
        if refusal is None and missing:
            if 0 <= now_ns - held.since_ns < _PATIENCE_NS:  # below 0 the clock was set back
                return
            refusal = Refusal(Verdict.DESYNC, missing)
        self._end_waiting(refusal or self._admission.check_time(held.chunk, now_ns), now_ns, output)

    def _admit(self, chunk: ActionChunk, now_ns: int) -> Refusal | None:
        admission = self._admission
        late = admission.check_lost(chunk.run_id, chunk.sequence)
        if late is not None:
            return late
        refusal = admission.check_card(chunk)
        if refusal is None and chunk.horizon:
            refusal = admission.check_content(chunk)
        refusal = refusal or admission.check_order(chunk)
        if refusal is None and chunk.horizon:
            refusal = admission.check_time(chunk, now_ns)
        run_id = admission.run_id
        straggles = admission.check_begins(chunk)
        admission.register(chunk, now_ns, may_begin_run=refusal is None and straggles is None)
        if admission.run_id != run_id:
            self._motion.cut(cut.NEW_RUN, now_ns)
            self._delays.forget()
        return refusal or (straggles if chunk.horizon else None)  # one that brakes does so, whenever it comes

    def _follow(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int, output: Output) -> Refusal | None:
        self._delays.add(now_ns - chunk.stamp_ns, self._motion.stitcher.longest_delay_ns(chunk))
        if self._watch.unconfirmed(now_ns) and self._watch.refusal(now_ns) is None:
            self._held = _Held(chunk, now_ns, received_steady_ns)
            return None
        return self._motion.follow(chunk, now_ns, received_steady_ns, output)

    def _end_waiting(self, refusal: Refusal | None, now_ns: int, output: Output) -> None:
        held, self._held = self._held, None
        refusal = refusal or self._motion.follow(held.chunk, now_ns, held.received_steady_ns, output)
        if refusal is not None:
            output.reports += self._book.refuse(held.chunk, *refusal, now_ns, held.received_steady_ns)
