"""The lockstep driver: assembler, policy, controller and simulator of the live graph, stepped in virtual time in one process.

Deterministic by seed and faster than real time. Cameras are rendered only for the frames that a policy looks at.
"""

from __future__ import annotations

from collections.abc import Callable

from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.chunk import ActionChunk
from vla_contract.node_settings import check_committed_steps
from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport
from vla_controller.controller import ChunkController
from vla_policy.policy import Policy
from vla_policy.running.pace import Pacing, replan_ns
from vla_sim.tasks import TaskInstance
from vla_sim.world import TIMESTEP_NS, SimWorld
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.result import TrialResult
from vla_trials.lockstep.trial import Circumstances, Trial

STATE_PERIOD_NS = 10_000_000
"""Period of joint states and of the controller's tick [ns]."""


class LockstepRunner:
    """Runs trials of one policy in one world.

    Args:
        card: Interface card that all parts share.
        world: The simulator.
        new_controller: Makes a controller for each trial, so that nothing of one trial reaches the next.
        policy: Policy under test.
        latency: From camera stamp to the arrival of the chunk.
        replan_steps: Steps between two observations that are decided on.
        committed_steps: First steps of a chunk that repeat the chunk under way, for a controller with committed_prefix.
        circumstances: Changes the world and holds images back; None leaves everything as it is.

    Raises:
        ValueError: replan_steps or committed_steps do not fit the card's horizon.
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
        committed_steps: int = 0,
        circumstances: Circumstances | None = None,
    ) -> None:
        # A trial is judged when its time is over: refused chunks end none. Stamps come in steps of the simulator.
        self._pacing = Pacing(replan_ns(card, replan_steps), refusals=None, early_ns=TIMESTEP_NS)
        check_committed_steps(card, committed_steps, replan_steps)
        self._card = card
        self._world = world
        self._new_controller = new_controller
        self._policy = policy
        self._latency = latency or LatencyModel()
        self._committed_steps = committed_steps
        self._circumstances = circumstances
        self.controller: ChunkController | None = None
        self.on_decision: Callable[[VLAObservation, ActionChunk], None] | None = None
        """Called with each observation and the chunk decided on it."""
        self.on_tick: Callable[[int], None] | None = None
        """Called at each state period with virtual time [ns]."""
        self.on_latency: Callable[[int], None] | None = None
        """Gets the injected latency of each chunk [ns]."""
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
        self.controller = self._new_controller()
        start = world.now_ns
        trial = Trial(
            card, world, self.controller, self._policy, instance, pacing=self._pacing, committed_steps=self._committed_steps,
            limit_ns=seconds_to_ns(limit), latency=self._latency, circumstances=self._circumstances,
            on_decision=self.on_decision, on_latency=self.on_latency, on_reports=self.on_reports,
        )  # fmt: skip
        camera_period, frame, next_frame = 1e9 / card.cameras[0].rate, 0, start
        while not trial.ending(world.now_ns):
            now = world.now_ns
            if (now - start) % STATE_PERIOD_NS == 0:
                trial.on_state(now)
                if self._circumstances:
                    self._circumstances.tick(now)
                if self.on_tick:
                    self.on_tick(now)
                trial.judge(now, linger_s * 1e9)
                if trial.ending(now):
                    break
            if now >= next_frame:
                if trial.on_frame(now):
                    break
                frame += 1
                next_frame = start + int(frame * camera_period)
            if self._circumstances:
                self._circumstances.step()
            world.step()
        return self._result(trial, instance, start)

    def _result(self, trial: Trial, task: TaskInstance, start_ns: int) -> TrialResult:
        world, tally, met = self._world, trial.tally, self._circumstances
        progress = world.progress()
        return TrialResult(
            task=task.name,
            seed=task.seed,
            instruction=task.instruction,
            success=trial.success_ns is not None,
            seconds=round(((trial.success_ns or world.now_ns) - start_ns) / 1e9, 3),
            virtual_seconds=round((world.now_ns - start_ns) / 1e9, 3),
            first_touched=progress.first_touched,
            target=task.target,
            chunks=len(tally.latencies_ns),
            steps_executed=tally.executed,
            steps_clamped=tally.clamped,
            refused=tally.refused,
            pushes=met.pushes if met else 0,
            moves=met.moves if met else 0,
            distractors=len(met.added) if met else 0,
            blind_frames=tally.blind,
            steps_skipped=tally.skipped,
            latency_p50_ms=tally.latency_ms(50),
            latency_p99_ms=tally.latency_ms(99),
        )
