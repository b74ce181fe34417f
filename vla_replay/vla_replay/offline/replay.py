"""Replay of a bag without a graph: one pass, flat memory, through the live assembler, policies and controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vla_bags.reader import Bag
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.ros.streams import feed_frame, feed_joint_state
from vla_evidence.figures.replay import ReplayedFigures
from vla_motion.model import RobotModel
from vla_policy.policy import Policy
from vla_replay.offline.compare import Comparison
from vla_replay.offline.controller_run import ControllerRun
from vla_replay.offline.delay import DelayQueue, ReplayClock
from vla_replay.offline.fault_run import KNOWN_NS, FaultRun
from vla_replay.offline.faults import Faults, FaultyStream
from vla_replay.offline.observations import Rebuilder, new_assembler
from vla_replay.offline.recorded import Recorded
from vla_replay.offline.scores import scores_of
from vla_replay.offline.track import Track
from vla_replay.offline.walk import Event, Kind, Walk

WAIT_NS = 200_000_000
"""A chunk waits so long for its report, its instruction, and states that were received later [ns]."""


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
        self._bag, self._card, self._progress = bag, card, progress
        self._assembler = new_assembler(card)
        self._rebuilder = Rebuilder(card, self._assembler)
        later_ns = KNOWN_NS if faults.any else 0
        self._tracks = [Track(name, policy, card, models, later_ns) for name, policy in policies.items()]
        self._between = Comparison(card) if len(self._tracks) > 1 else None
        stream = FaultyStream(faults, card, seed)
        self._fault_run = FaultRun(card, stream, self._tracks, self._between) if faults.any else None
        self._recorded = Recorded(card, models, self._on_executed)
        self._controllers = [c for c in (self._recorded.controller, *(t.controller for t in self._tracks)) if c is not None]
        self._shadow: Comparison | None = None
        self._waiting: DelayQueue[Event] = DelayQueue()
        self._instructions: dict[str, str] = {}
        self._fallback = instruction
        self._clock, self._times = ReplayClock(), 0

    def run(self) -> ReplayedFigures:
        """The figures; see docs/reference/replay.md for what each means.

        Raises:
            ReplayError: The bag lacks what replay needs. BagError: it cannot be read.
        """
        begin = time.perf_counter()
        walk = Walk(self._bag, self._card)
        for event in walk:
            self._take(event)
            self._progress(event.now_ns)
        self._end_time(ControllerRun.finish)
        wall = time.perf_counter() - begin
        return self._figures(walk, wall)

    # One event

    def _take(self, event: Event) -> None:
        if event.times != self._times or self._clock.is_set_back_by(event.now_ns):
            self._times = event.times
            self._end_time(ControllerRun.clock_set_back)
        self._clock.take(event.now_ns)
        now_ns = self._clock.now_ns
        if event.kind is Kind.FRAME:
            feed_frame(self._assembler, event.data)
            if self._fault_run:
                self._fault_run.stream.put_frame(event.now_ns, event.data)
        elif event.kind is Kind.STATE:
            self._take_state(event)
        elif event.kind is Kind.INSTRUCTION:
            self._instructions[event.data[0]] = event.data[1]
        elif event.kind is Kind.REPORT:
            self._recorded.on_report(now_ns, event.data)
        elif event.kind in (Kind.CHUNK, Kind.SHADOW):
            self._waiting.put(event.now_ns + WAIT_NS, event)
        for _, waited in self._waiting.due(now_ns):
            self._take_chunk(waited)
        self._recorded.advance(now_ns)
        if self._fault_run:
            self._fault_run.advance(now_ns - KNOWN_NS)

    def _take_state(self, event: Event) -> None:
        message = event.data
        feed_joint_state(self._assembler, message)
        self._recorded.on_state(event.now_ns, event.stamp_ns, message)
        for track in self._tracks:
            if track.controller is not None:
                track.controller.on_state(event.now_ns, event.stamp_ns, message.name, message.position, message.velocity)
        if self._fault_run:
            self._fault_run.stream.put_state(event.now_ns, message)

    def _take_chunk(self, event: Event) -> None:
        chunk = event.data
        if event.kind is Kind.SHADOW:
            return self._compare_shadow(chunk)
        arrival_ns = self._recorded.on_chunk(event.now_ns, chunk)
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
        if self._shadow is None:
            self._shadow = Comparison(self._card)
        answered = self._recorded.answered_by(shadow) if shadow.horizon else None
        if answered is not None:
            self._shadow.add(answered, shadow)

    def _on_executed(self, chunk: ActionChunk, steps: np.ndarray, rows: np.ndarray) -> None:
        for track in self._tracks:
            track.on_executed(chunk, steps, rows)

    def _end_time(self, end: Callable[[ControllerRun], None]) -> None:
        """The node's clock was set back in the recording (a simulator began anew), or the recording is over."""
        self._clock.begin_anew()
        for _, waited in self._waiting.end():
            self._take_chunk(waited)
        if self._fault_run:
            self._fault_run.end_time()
        for controller in self._controllers:
            end(controller)
        self._recorded.end_time()

    def _figures(self, walk: Walk, wall: float) -> ReplayedFigures:
        seconds = self._clock.seconds
        found, recorded = self._rebuilder.found.figures(), self._recorded.figures()
        policies = {track.name: track.figures() for track in self._tracks}
        faults = self._fault_run.figures() if self._fault_run else None
        return ReplayedFigures(
            bag=str(self._bag.path),
            truncated=self._bag.truncated,
            card=self._card.name,
            card_hash=self._card.card_hash,
            seconds=round(seconds, 3),
            wall_seconds=round(wall, 3),
            realtime_factor=round(seconds / wall, 2) if wall else None,
            events=walk.counts,
            missing_topics=tuple(walk.missing),
            malformed=tuple(walk.malformed[:20]),
            observations=found,
            recorded=recorded,
            policies=policies,
            between=self._between.figures() if self._between else None,
            shadow=self._shadow.figures() if self._shadow else None,
            instruction=self._fallback,
            faults=faults,
            scores=scores_of(found, recorded, policies, faults),
        )
