"""The lockstep driver: assembler, policy, controller and simulator of the live graph, stepped in virtual time in one process.

Deterministic by seed and faster than real time. Cameras are rendered only for the frames that a policy looks at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_controller.controller import ChunkController, Output
from vla_eval.latency import LatencyModel
from vla_policy_node.assembler import ObservationAssembler
from vla_policy_node.chunks import decide
from vla_policy_node.policy import Policy
from vla_sim.world import TIMESTEP_NS, SimWorld

STATE_PERIOD_NS = 10_000_000
"""Period of joint states and of the controller's tick [ns]."""


@dataclass(frozen=True)
class TrialResult:
    """What one trial was and how it went.

    Attributes:
        seconds: Virtual time until success, or the whole trial [s].
        virtual_seconds: Virtual time that was simulated [s].
        steps_executed, steps_clamped: Over all chunks.
        refused: Chunks that the controller did not run, by verdict.
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

    def as_row(self) -> dict:
        """Ready for JSON."""
        return dict(vars(self))


class LockstepRunner:
    """Runs trials of one policy in one world.

    Args:
        card: Interface card that all parts share.
        world: The simulator.
        new_controller: Makes a controller for each trial, so that nothing of one trial reaches the next.
        policy: Policy under test.
        latency: From camera stamp to the arrival of the chunk.
        replan_steps: Steps between two observations that are decided on.
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
    ) -> None:
        if not 1 <= replan_steps <= card.action.horizon:
            raise ValueError(f"replan_steps: {replan_steps}, allowed are 1 to the card's horizon {card.action.horizon}")
        self._card = card
        self._world = world
        self._new_controller = new_controller
        self._policy = policy
        self._latency = latency or LatencyModel()
        self._replan_ns = replan_steps * card.step_period_ns
        self.controller: ChunkController | None = None
        self.on_decision: Callable[[VLAObservation, np.ndarray], None] | None = None
        """Called with each observation and the actions decided on it."""
        self.on_tick: Callable[[int], None] | None = None
        """Called at each state period with virtual time [ns]."""

    def run(self, task: str, seed: int, *, time_limit_s: float | None = None, linger_s: float = 0.0) -> TrialResult:
        """One trial from reset to success, or to the time limit of the card's task.

        Args:
            linger_s: Time to go on after success [s], for demonstrations that show how to stay.

        Raises:
            TaskError: Unknown task. ObservationError: the world's streams do not satisfy the card.
        """
        card, world = self._card, self._world
        instance = world.reset(task, seed)
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
                if self.on_tick:
                    self.on_tick(now)
                if success_at is None and world.progress().success:
                    success_at = now
                if success_at is not None and now - success_at >= linger_s * 1e9:
                    break
            if now >= next_frame:
                if now >= next_decision and not arrivals:
                    for camera in card.cameras:
                        assembler.add_image(camera.name, now, world.render(camera.name))
                    observation = assembler.assemble(now, instance.instruction)
                    chunk = decide(self._policy, card, observation, run_id, sequence, lambda: world.now_ns)
                    if self.on_decision:
                        self.on_decision(observation, chunk.actions)
                    arrivals.append((now + self._latency.draw_ns(rng), chunk))
                    sequence += 1
                    next_decision = now + self._replan_ns - TIMESTEP_NS
                frame += 1
                next_frame = start + int(frame * camera_period)
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
        )

    def _act(self, output: Output) -> list[ChunkReport]:
        for trajectory in output.trajectories:
            accepted, reason = self._world.submit(trajectory)
            if not accepted:
                raise RuntimeError(
                    f"the joint trajectory controller refused a trajectory for '{trajectory.topic}': {reason}"
                )
        return output.reports


class _Tally:
    """Counts over the reports of a trial."""

    def __init__(self) -> None:
        self.executed = 0
        self.clamped = 0
        self.refused: dict[str, int] = {}

    def take(self, reports: list[ChunkReport]) -> None:
        for report in reports:
            if report.phase is not Phase.CLOSED:
                continue
            self.executed += report.steps_executed
            self.clamped += report.steps_clamped
            if report.verdict not in (Verdict.ACCEPTED, Verdict.BRAKE):
                self.refused[report.verdict.name] = self.refused.get(report.verdict.name, 0) + 1
