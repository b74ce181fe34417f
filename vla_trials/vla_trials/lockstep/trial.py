"""One trial under way in virtual time: pacer, assembler, policy and controller, ticked by the driver."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport
from vla_controller.books.output import Output
from vla_controller.controller import ChunkController
from vla_policy.errors import ObservationError, ObservationKind
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.policy import Policy
from vla_policy.running.asking import ask_for
from vla_policy.running.chunks import brake_chunk, decide
from vla_policy.running.ending import End
from vla_policy.running.pace import Brake, Decide, Pace, Pacing
from vla_policy.running.run_record import RunRecord, RunRequest, TaskTruth
from vla_sim.tasks import TaskInstance
from vla_sim.world import SimWorld
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.tally import Tally

_NO_IMAGE = (ObservationKind.MISSING, ObservationKind.STALE, ObservationKind.SKEW)


class Circumstances(Protocol):
    """What a trial meets besides its task; `vla_trials.trials.circumstances` has the real one."""

    pushes: int
    moves: int
    added: tuple[str, ...]

    @property
    def holds_back(self) -> bool: ...
    def begin(self) -> TaskInstance: ...
    def tick(self, now_ns: int) -> None: ...
    def step(self) -> None: ...
    def arrives(self, camera: str) -> bool: ...


class Trial:
    """What a live graph does with messages is done here at once; only a chunk takes its latency to arrive.

    Args:
        pacing: As of the live session.
        committed_steps: Of each chunk, at most so many repeat the chunk under way.
        limit_ns: Time until it ends without success [ns].
        on_decision: Gets each observation and the chunk decided on it.
        on_latency: Gets how long each chunk takes to arrive [ns].
        on_reports: Gets what the controller reports, in order.
    """

    def __init__(
        self, card: InterfaceCard, world: SimWorld, controller: ChunkController, policy: Policy, instance: TaskInstance, *,
        pacing: Pacing, committed_steps: int, limit_ns: int, latency: LatencyModel, circumstances: Circumstances | None,
        on_decision: Callable[[VLAObservation, ActionChunk], None] | None,
        on_latency: Callable[[int], None] | None, on_reports: Callable[[list[ChunkReport]], None] | None,
    ) -> None:  # fmt: skip
        self._card, self._world, self._controller, self._policy = card, world, controller, policy
        self._committed_steps, self._latency = committed_steps, latency
        self._holds_back = circumstances is not None and circumstances.holds_back
        self._circumstances, self._on_decision = circumstances, on_decision
        self._on_latency, self._on_reports = on_latency, on_reports
        name = f"{instance.name}:{instance.seed}"
        run_id = hashlib.sha256(name.encode()).hexdigest()[:32]
        self.record = RunRecord(RunRequest(instance.instruction), world.now_ns, limit_ns, run_id)
        self.tally = Tally()
        self.success_ns: int | None = None
        """When the task was done [ns]."""
        self._pace = Pace(pacing, self.record)
        self._assembler = ObservationAssembler(card)
        self._rng = np.random.default_rng([instance.seed, 1])
        self._arrivals: list[tuple[int, ActionChunk]] = []
        policy.reset()

    def ending(self, now_ns: int) -> End | None:
        """Why it is over, or None."""
        return self._pace.ending(now_ns)

    def on_state(self, now_ns: int) -> None:
        """Joint states are published, chunks that have come are taken, the controller ticks."""
        names, q, v = self._world.joint_state()
        self._controller.on_joint_state(now_ns, names, q, v, now_ns)
        self._assembler.add_joint_state(now_ns, names, q, v)
        while self._arrivals and self._arrivals[0][0] <= now_ns:
            self.record.on_published(now_ns)
            self._take(self._controller.on_chunk(self._arrivals.pop(0)[1], now_ns))
        self._take(self._controller.tick(now_ns))

    def judge(self, now_ns: int, linger_ns: float) -> None:
        """Ground truth, which ends the trial when success is so long ago [ns]."""
        if self.success_ns is None and self._world.progress().success:
            self.success_ns = now_ns
        if self.success_ns is not None and now_ns - self.success_ns >= linger_ns:
            self.record.on_truth(TaskTruth(now_ns, self.record.request.instruction, 0, True))

    def on_frame(self, now_ns: int) -> End | None:
        """The cameras' images of now are published. Whoever waits for a chunk decides nothing meanwhile.

        Raises ObservationError where no image is ever held back: the world's streams do not satisfy the card.
        """
        busy = bool(self._arrivals)
        due = not busy and self._pace.due(now_ns)
        if due or self._holds_back:
            self._publish_images(now_ns)
        if busy:
            return None
        # What nobody looks at is not drawn: where all images come, the newest is that of now.
        looks = due or self._holds_back
        newest_ns = self._assembler.newest_ns() if self._holds_back else now_ns
        step = self._pace.step(now_ns, newest_ns, self._look(now_ns) if looks else None)
        self.tally.blind += due and not isinstance(step, Decide)
        match step:
            case Decide(observation):
                self._decide(observation, now_ns)
            case Brake():
                brake = brake_chunk(self._card, self.record.run_id, self.record.next_sequence(), now_ns)
                self._arrivals.append((now_ns, brake))
            case End():
                return step
        return None

    def _publish_images(self, now_ns: int) -> None:
        for camera in self._card.cameras:
            if not self._holds_back or self._circumstances.arrives(camera.name):
                self._assembler.add_image(camera.name, now_ns, self._world.render(camera.name))

    def _look(self, now_ns: int) -> VLAObservation | ObservationError:
        try:
            return self._assembler.assemble(now_ns, self.record.request.instruction)
        except ObservationError as error:
            if not self._holds_back or error.kind not in _NO_IMAGE:
                raise
            return error

    def _decide(self, observation: VLAObservation, now_ns: int) -> None:
        record, card = self.record, self._card
        ask = ask_for(card, record, observation, self._committed_steps)
        chunk = decide(
            self._policy, card, observation, record.run_id, record.next_sequence(), lambda: self._world.now_ns, ask=ask
        )
        if self._on_decision:
            self._on_decision(observation, chunk)
        latency_ns = self._latency.draw_ns(self._rng)
        self.tally.latencies_ns.append(latency_ns)
        if self._on_latency:
            self._on_latency(latency_ns)
        self._arrivals.append((now_ns + latency_ns, chunk))

    def _take(self, output: Output) -> None:
        for trajectory in output.trajectories:
            accepted, reason = self._world.submit(trajectory)
            if not accepted:
                raise RuntimeError(
                    f"the joint trajectory controller refused a trajectory for '{trajectory.topic}': {reason}"
                )
        for report in output.reports:
            self.record.on_report(report)
        if self._on_reports:
            self._on_reports(output.reports)
        self.tally.take(output.reports)
