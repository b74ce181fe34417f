"""The lockstep driver: assembler, policy, controller and simulator of the live graph, stepped in virtual time in one process.

Deterministic by seed and faster than real time. Cameras are rendered only for the frames that a policy looks at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_controller.controller import ChunkController, Output
from vla_eval.latency import LatencyModel
from vla_policy_node.assembler import ObservationAssembler
from vla_policy_node.chunks import decide
from vla_policy_node.errors import ObservationError, ObservationKind
from vla_policy_node.policy import Policy
from vla_sim.tasks import TaskInstance
from vla_sim.world import TIMESTEP_NS, SimWorld

STATE_PERIOD_NS = 10_000_000
"""Period of joint states and of the controller's tick [ns]."""
_NO_PICTURE = (ObservationKind.MISSING, ObservationKind.STALE, ObservationKind.SKEW)


@dataclass(frozen=True)
class TrialResult:
    """What one trial was and how it went.

    Attributes:
        seconds: Virtual time until success, or the whole trial [s].
        virtual_seconds: Virtual time that was simulated [s].
        steps_executed, steps_clamped, steps_skipped: Over all chunks.
        refused: Chunks that the controller did not run, by verdict.
        pushes, moves: Times that the hand was pushed and the target moved; see `Circumstances`.
        distractors: Objects that were added to the table.
        blind_frames: Frames on which a decision was due, and a picture that it needs had been held back.
        latency_p50_ms, latency_p99_ms: Of the injected latencies [ms]; None without a chunk.
    """

    task: str
    seed: int
    instruction: str
    success: bool
    seconds: float
    virtual_seconds: float
    first_touched: str
    target: str
    chunks: int
    steps_executed: int
    steps_clamped: int
    refused: dict[str, int] = field(default_factory=dict)
    pushes: int = 0
    moves: int = 0
    distractors: int = 0
    blind_frames: int = 0
    steps_skipped: int = 0
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None

    def as_row(self) -> dict:
        """Ready for JSON."""
        return dict(vars(self))


class Circumstances(Protocol):
    """What a trial meets besides its task; `vla_eval.trials.circumstances` has the real one."""

    pushes: int
    moves: int
    added: tuple[str, ...]

    @property
    def holds_back(self) -> bool: ...
    def begin(self) -> TaskInstance: ...
    def tick(self, now_ns: int) -> None: ...
    def step(self) -> None: ...
    def arrives(self, camera: str) -> bool: ...


class LockstepRunner:
    """Runs trials of one policy in one world.

    Args:
        card: Interface card that all parts share.
        world: The simulator.
        new_controller: Makes a controller for each trial, so that nothing of one trial reaches the next.
        policy: Policy under test.
        latency: From camera stamp to the arrival of the chunk.
        replan_steps: Steps between two observations that are decided on.
        circumstances: Changes the world and holds pictures back; None leaves everything as it is.
    """

    def __init__(
        self,
        card: InterfaceCard,
        world: SimWorld,
        new_controller: Callable[[], ChunkController],
        policy: Policy,
        *,
        latency: LatencyModel | None = None,
        replan_steps: int = 4,
        circumstances: Circumstances | None = None,
    ) -> None:
        if not 1 <= replan_steps <= card.action.horizon:
            raise ValueError(f"replan_steps: {replan_steps}, allowed are 1 to the card's horizon {card.action.horizon}")
        self._card = card
        self._world = world
        self._new_controller = new_controller
        self._policy = policy
        self._latency = latency or LatencyModel()
        self._replan_ns = replan_steps * card.step_period_ns
        self._circumstances = circumstances
        self.controller: ChunkController | None = None
        self.on_decision: Callable[[VLAObservation, np.ndarray], None] | None = None
        """Called with each observation and the actions decided on it."""
        self.on_tick: Callable[[int], None] | None = None
        """Called at each state period with virtual time [ns]."""
        self.on_reports: Callable[[list[ChunkReport]], None] | None = None
        """Called with what the controller reports, in order."""

    def run(self, task: str, seed: int, *, time_limit_s: float | None = None, linger_s: float = 0.0) -> TrialResult:
        """One trial from reset to success, or to the time limit of the card's task.

        Args:
            linger_s: Time to go on after success [s], for demonstrations that show how to stay.

        Raises:
            TaskError: Unknown task. ObservationError: the world's streams do not satisfy the card.
        """
        card, world = self._card, self._world
        instance = world.reset(task, seed)
        if self._circumstances:
            instance = self._circumstances.begin()
        limit = time_limit_s or next(t.time_limit for t in card.tasks if t.name == task)
        rng = np.random.default_rng([seed, 1])
        controller = self.controller = self._new_controller()
        assembler = ObservationAssembler(card)
        self._policy.reset()
        run_id = hashlib.sha256(f"{task}:{seed}".encode()).hexdigest()[:32]
        tally = _Tally()
        start = world.now_ns
        camera_period = 1e9 / card.cameras[0].rate
        arrivals: list[tuple[int, ActionChunk]] = []
        next_frame, frame, sequence, next_decision = start, 0, 0, start
        success_at: int | None = None
        while world.now_ns - start < limit * 1e9:
            now = world.now_ns
            if (now - start) % STATE_PERIOD_NS == 0:
                names, q, v = world.joint_state()
                controller.on_joint_state(now, names, q, v, now)
                assembler.add_joint_state(now, names, q)
                while arrivals and arrivals[0][0] <= now:
                    tally.take(self._act(controller.on_chunk(arrivals.pop(0)[1], now)))
                tally.take(self._act(controller.tick(now)))
                if self._circumstances:
                    self._circumstances.tick(now)
                if self.on_tick:
                    self.on_tick(now)
                if success_at is None and world.progress().success:
                    success_at = now
                if success_at is not None and now - success_at >= linger_s * 1e9:
                    break
            if now >= next_frame:
                due = now >= next_decision and not arrivals
                observation = self._look(assembler, now, due, instance.instruction, tally)
                if observation is not None:
                    chunk = decide(self._policy, card, observation, run_id, sequence, lambda: world.now_ns)
                    if self.on_decision:
                        self.on_decision(observation, chunk.actions)
                    latency_ns = self._latency.draw_ns(rng)
                    tally.latencies_ns.append(latency_ns)
                    arrivals.append((now + latency_ns, chunk))
                    sequence += 1
                    next_decision = now + self._replan_ns - TIMESTEP_NS
                frame += 1
                next_frame = start + int(frame * camera_period)
            if self._circumstances:
                self._circumstances.step()
            world.step()
        progress = world.progress()
        return TrialResult(
            task=task,
            seed=seed,
            instruction=instance.instruction,
            success=success_at is not None,
            seconds=round(((success_at or world.now_ns) - start) / 1e9, 3),
            virtual_seconds=round((world.now_ns - start) / 1e9, 3),
            first_touched=progress.first_touched,
            target=instance.target,
            chunks=sequence,
            steps_executed=tally.executed,
            steps_clamped=tally.clamped,
            refused=tally.refused,
            pushes=self._circumstances.pushes if self._circumstances else 0,
            moves=self._circumstances.moves if self._circumstances else 0,
            distractors=len(self._circumstances.added) if self._circumstances else 0,
            blind_frames=tally.blind,
            steps_skipped=tally.skipped,
            latency_p50_ms=tally.latency_ms(50),
            latency_p99_ms=tally.latency_ms(99),
        )

    def _look(
        self, assembler: ObservationAssembler, now: int, due: bool, instruction: str, tally: _Tally
    ) -> VLAObservation | None:
        """The observation of this frame, or None: none is due, or a picture was held back and the next frame has to do.

        Where pictures may be held back every frame is drawn, because what arrives late may be looked at in its place.
        """
        holds_back = self._circumstances is not None and self._circumstances.holds_back
        if not due and not holds_back:
            return None
        for camera in self._card.cameras:
            if not holds_back or self._circumstances.arrives(camera.name):
                assembler.add_image(camera.name, now, self._world.render(camera.name))
        if not due:
            return None
        try:
            observation = assembler.assemble(now, instruction)
        except ObservationError as error:
            if not holds_back or error.kind not in _NO_PICTURE:
                raise
            tally.blind += 1
            return None
        if observation.stamp_ns != now:  # the policy waits for a new picture of the first camera
            tally.blind += 1
            return None
        return observation

    def _act(self, output: Output) -> list[ChunkReport]:
        for trajectory in output.trajectories:
            accepted, reason = self._world.submit(trajectory)
            if not accepted:
                raise RuntimeError(
                    f"the joint trajectory controller refused a trajectory for '{trajectory.topic}': {reason}"
                )
        if self.on_reports:
            self.on_reports(output.reports)
        return output.reports


class _Tally:
    """Counts over the reports of a trial."""

    def __init__(self) -> None:
        self.executed = 0
        self.clamped = 0
        self.refused: dict[str, int] = {}
        self.skipped = 0
        self.blind = 0
        self.latencies_ns: list[int] = []

    def latency_ms(self, percentile: float) -> float | None:
        if not self.latencies_ns:
            return None
        return round(float(np.percentile(self.latencies_ns, percentile)) / 1e6, 3)

    def take(self, reports: list[ChunkReport]) -> None:
        for report in reports:
            if report.phase is not Phase.CLOSED:
                continue
            self.executed += report.steps_executed
            self.clamped += report.steps_clamped
            self.skipped += report.steps_skipped
            if report.verdict not in (Verdict.ACCEPTED, Verdict.BRAKE):
                self.refused[report.verdict.name] = self.refused.get(report.verdict.name, 0) + 1
