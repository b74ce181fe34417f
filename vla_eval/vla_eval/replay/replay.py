"""Replay of a bag without a graph: one pass, flat memory, through the live assembler, policies and controller."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase
from vla_eval.bags.reader import Bag
from vla_eval.replay.compare import Comparison, Jumps
from vla_eval.replay.controller_run import ControllerRun, outcome
from vla_eval.replay.divergence import columns_of
from vla_eval.replay.executed import JointHistory, executed_steps
from vla_eval.replay.fault_run import HOLD_NS, FaultRun
from vla_eval.replay.faults import Faults, FaultyStream
from vla_eval.replay.observations import Rebuilder, new_assembler
from vla_eval.replay.scores import scores_of
from vla_eval.replay.spread import Spread
from vla_eval.replay.track import KEPT_CHUNKS, Track, remember
from vla_eval.replay.walk import Event, Kind, Walk
from vla_motion.model import RobotModel
from vla_policy_node.policy import Policy
from vla_policy_node.ros_inputs import feed_frame, feed_joint_state

WAIT_NS = 200_000_000
"""A chunk waits so long for its report, its instruction, and states that were received later [ns]."""
JUMP_NS = 1_000_000_000


class Replay:
    """Walks a bag once; ``run`` gives the figures.

    Args:
        bag: The bag, open.
        card: The interface card, of the bag or another one that fits it.
        policies: By name; empty: observations and recorded chunks alone.
        models: Kinematics of the arms, for the controller and for executed motion; empty: both are left out.
        faults: On the stream between bag and assembler.
        seed: Of the faults.
        instruction: For runs whose instruction the bag does not tell.
        progress: Called with each event's receive time on the node's clock [ns].
    """

    def __init__(
        self, bag: Bag, card: InterfaceCard, policies: Mapping[str, Policy], models: Sequence[RobotModel], *,
        faults: Faults | None = None, seed: int = 0, instruction: str | None = None,
        progress: Callable[[int], None] = lambda now_ns: None,
    ) -> None:  # fmt: skip
        faults = faults or Faults()
        self._bag, self._card, self._models, self._progress = bag, card, list(models), progress
        self._assembler = new_assembler(card)
        self._rebuilder = Rebuilder(card, self._assembler)
        hold_ns = HOLD_NS if faults.any else 0
        self._tracks = [Track(name, policy, card, models, hold_ns) for name, policy in policies.items()]
        self._between = Comparison(card) if len(self._tracks) > 1 else None
        stream = FaultyStream(faults, card, seed)
        self._fault_run = FaultRun(card, stream, self._tracks, self._between) if faults.any else None
        self._recorded = ControllerRun(card, models, ideal=False) if models else None
        self._jumps, self._executed, self._inference_ms = Jumps(), Comparison(card), Spread()
        self._shadow: Comparison | None = None
        self._history = JointHistory(card)
        self._pending: deque[Event] = deque()
        self._instructions: dict[str, str] = {}
        self._fallback = instruction
        self._chunks: OrderedDict[tuple[str, int], ActionChunk] = OrderedDict()
        self._scheduled: OrderedDict[tuple[str, int], ChunkReport] = OrderedDict()
        self._ended: deque[tuple[int, ChunkReport]] = deque()
        self._agree = {"chunks": 0, "equal": 0, "clamped_recorded": 0, "clamped_here": 0, "executed_recorded": 0}
        self._outcomes: dict[tuple[str, int], tuple[str, int, int]] = {}
        self._first_ns: int | None = None
        self._now_ns = 0
        self._seconds = 0.0

    def run(self) -> dict:
        """The figures, ready for JSON; see docs/replay.md for what each means.

        Raises:
            ReplayError: The bag lacks what replay needs. BagError: it cannot be read.
        """
        begin = time.perf_counter()
        walk = Walk(self._bag, self._card)
        for event in walk:
            self._take(event)
            self._progress(event.now_ns)
        self._settle()
        wall = time.perf_counter() - begin
        return self._figures(walk, wall)

    # One event

    def _take(self, event: Event) -> None:
        if event.now_ns < self._now_ns - JUMP_NS:
            self._set_back()
        if self._first_ns is None:
            self._first_ns = event.now_ns
        self._now_ns = max(self._now_ns, event.now_ns)
        if event.kind is Kind.FRAME:
            feed_frame(self._assembler, event.data)
            if self._fault_run:
                self._fault_run.stream.put_frame(event.now_ns, event.data)
        elif event.kind is Kind.STATE:
            self._take_state(event)
        elif event.kind is Kind.INSTRUCTION:
            self._instructions[event.data[0]] = event.data[1]
        elif event.kind is Kind.REPORT:
            self._take_report(event.data)
        elif event.kind in (Kind.CHUNK, Kind.SHADOW):
            self._pending.append(event)
        while self._pending and self._pending[0].now_ns + WAIT_NS <= self._now_ns:
            self._decide(self._pending.popleft())
        while self._ended and self._ended[0][0] + 2 * WAIT_NS <= self._now_ns:
            self._close(self._ended.popleft()[1])
        if self._fault_run:
            self._fault_run.advance(self._now_ns - HOLD_NS)

    def _take_state(self, event: Event) -> None:
        message = event.data
        feed_joint_state(self._assembler, message)
        self._history.add(event.stamp_ns, message.name, message.position)
        for run in (self._recorded, *(track.controller for track in self._tracks)):
            if run is not None:
                run.on_state(event.now_ns, event.stamp_ns, message.name, message.position, message.velocity)
        if self._fault_run:
            self._fault_run.stream.put_state(event.now_ns, message)

    def _take_report(self, report: ChunkReport) -> None:
        key = report.run_id, report.sequence
        if report.phase is Phase.SCHEDULED:
            remember(self._scheduled, key, report)
        else:
            self._ended.append((self._now_ns, report))

    def _decide(self, event: Event) -> None:
        chunk = event.data
        if event.kind is Kind.SHADOW:
            return self._compare_shadow(chunk)
        key = chunk.run_id, chunk.sequence
        remember(self._chunks, key, chunk)
        report = self._scheduled.get(key)
        arrival_ns = report.stamp_ns if report is not None else event.now_ns
        self._jumps.add(chunk)
        if chunk.horizon and chunk.inference_end_steady_ns:
            self._inference_ms.add((chunk.inference_end_steady_ns - chunk.inference_start_steady_ns) * 1e-6)
        if self._recorded is not None:
            self._recorded.on_chunk(arrival_ns, chunk)
        instruction = self._instructions.get(chunk.run_id, self._fallback)
        observation = self._rebuilder.rebuild(chunk, instruction) if chunk.horizon else None
        if self._fault_run is not None:
            return self._fault_run.ask(chunk, arrival_ns, instruction)
        if not chunk.horizon:
            for track in self._tracks:
                track.brake(arrival_ns, chunk)
        elif observation is not None:
            chunks = [t.decide(observation, chunk.run_id, chunk.sequence, arrival_ns, chunk) for t in self._tracks]
            if self._between is not None and None not in chunks:
                self._between.add(chunks[0], chunks[1])
        return None

    def _compare_shadow(self, shadow: ActionChunk) -> None:
        """Against the recorded chunk that it answers; one of another origin, against that of the nearest observation."""
        if self._shadow is None:
            self._shadow = Comparison(self._card)
        if not shadow.horizon:
            return
        answered = self._chunks.get((shadow.run_id, shadow.sequence))
        if answered is None or not answered.horizon:
            near = [chunk for chunk in self._chunks.values() if chunk.horizon]
            answered = min(near, key=lambda chunk: abs(chunk.stamp_ns - shadow.stamp_ns), default=None)
        if answered is not None:
            self._shadow.add(answered, shadow)

    def _close(self, report: ChunkReport) -> None:
        """A recorded CLOSED report, some time after it came: the offline controller has closed the same chunk by now."""
        key = report.run_id, report.sequence
        chunk, scheduled = self._chunks.get(key), self._scheduled.get(key)
        if chunk is None or not chunk.horizon:
            return
        self._outcomes[key] = outcome(report)
        if self._recorded is not None:
            self._compare_outcomes()
        if scheduled is None or not self._models:
            return
        done = executed_steps(self._card, self._models, self._history, chunk, scheduled, report)
        if done is None:
            return
        steps, rows = done
        self._executed.add_rows(rows, chunk.actions[steps], columns_of(chunk), grippers=False)
        for track in self._tracks:
            track.on_executed(chunk, steps, rows)

    def _compare_outcomes(self) -> None:
        ours = self._recorded.closed
        for key in [key for key in self._outcomes if key in ours]:
            theirs, mine = self._outcomes.pop(key), ours.pop(key)
            agree = self._agree
            agree["chunks"] += 1
            agree["equal"] += theirs == mine
            agree["executed_recorded"] += theirs[1]
            agree["clamped_recorded"] += theirs[2]
            agree["clamped_here"] += mine[2]
        for memory in (ours, self._outcomes):  # what only one side closed
            while len(memory) > KEPT_CHUNKS:
                del memory[next(iter(memory))]

    def _set_back(self) -> None:
        """The node's clock was set back in the recording: a simulator began anew. What waits is of the time before."""
        self._end_time(ControllerRun.clock_set_back)
        self._history.clear()

    def _settle(self) -> None:
        self._end_time(ControllerRun.finish)

    def _end_time(self, end: Callable[[ControllerRun], None]) -> None:
        self._seconds += (self._now_ns - (self._first_ns or 0)) * 1e-9
        self._first_ns, self._now_ns = None, 0
        while self._pending:
            self._decide(self._pending.popleft())
        if self._fault_run:
            self._fault_run.clock_set_back()
        for run in (self._recorded, *(track.controller for track in self._tracks)):
            if run is not None:
                end(run)
        while self._ended:  # their stamps mean nothing to another clock
            self._close(self._ended.popleft()[1])
        if self._recorded is not None:
            self._compare_outcomes()

    # Figures

    def _figures(self, walk: Walk, wall: float) -> dict:
        recorded: dict = {
            "jumps": self._jumps.as_dict(),
            "against_executed": self._executed.as_dict(),
            "latency_ms": self._inference_ms.as_dict(),
        }
        if self._recorded is not None:
            recorded["controller"] = self._recorded.as_dict()
            recorded["controller_agreement"] = dict(self._agree)
        figures = {
            "bag": str(self._bag.path),
            "truncated": self._bag.truncated,
            "card": self._card.name,
            "card_hash": self._card.card_hash,
            "seconds": round(self._seconds, 3),
            "wall_seconds": round(wall, 3),
            "realtime_factor": round(self._seconds / wall, 2) if wall else None,
            "events": walk.counts,
            "missing_topics": walk.missing,
            "malformed": walk.malformed[:20],
            "observations": self._rebuilder.found.as_dict(),
            "recorded": recorded,
            "policies": {track.name: track.as_dict() for track in self._tracks},
            "between": self._between.as_dict() if self._between else None,
            "shadow": self._shadow.as_dict() if self._shadow else None,
            "instruction": self._fallback,
            "faults": self._fault_run.as_dict() if self._fault_run else None,
        }
        figures["scores"] = scores_of(figures)
        return figures
