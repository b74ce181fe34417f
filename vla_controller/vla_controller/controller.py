"""The controller's core: chunks in, joint trajectories and reports out. No ROS, no clock of its own, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_contract.status import ControllerState
from vla_controller.books.output import Output, Snapshot
from vla_controller.books.reports import ReportBook
from vla_controller.chunk_intake import ChunkIntake
from vla_controller.commanded_motion import CommandedMotion
from vla_controller.intake.admission import Admission
from vla_controller.intake.delays import DelayWatch
from vla_controller.intake.watch import Watch
from vla_controller.planning.arm import Arm
from vla_controller.planning.arm_group import ArmGroup
from vla_controller.planning.kernels.first_use import know_types
from vla_controller.planning.sending import Sending
from vla_controller.planning.stitcher import Stitcher
from vla_controller.refusal import Refusal
from vla_motion.model import RobotModel

PLANNING_MARGIN_NS = 40_000_000
BRAKE_MARGIN_NS = 6_000_000
_DELIVERY_NS = 3_000_000  # from publishing to the joint trajectory controller, on one host


class ChunkController:
    """Turns the chunks of one card into trajectories.

    Args:
        card: The interface card.
        model: Kinematics of the card's arm; for several arms one each, in the card's order.
        planning_margin_ns: From the arrival of a chunk to the instant at which its motion takes over [ns]. Planning,
            and the way of the trajectory to the arm, have to be done by then.
        brake_margin_ns: The same for a stop, which takes less planning [ns].
        dry_run: Everything is planned, from the measured rest, and reported; no trajectory comes out.
        strategy: How chunks are stitched: receding_horizon, temporal_ensemble or committed_prefix.
        speed_scale: As set_speed_scale.
        clock: The time as it goes on [ns]. Where planning took so long that a trajectory would reach the arm after its own
            splice, it is planned anew (a stop) or dropped (a chunk). None: time stands still while a call lasts.
        steady: A clock that is never set [ns]. By it the motion under way is known after the other clock was set, and a stop
            can end it. None: it is unknown then until the arm is at rest, and a clock that is set ahead goes unnoticed.
        simulated: The clock is a simulator's and has a rate of its own: that it was set ahead cannot be noticed.

    Raises:
        ValueError: models and arms do not fit together, an unknown strategy, a speed scale or margin out of range, or a
            gripper's interface that is not supported.
    """

    def __init__(
        self,
        card: InterfaceCard,
        model: RobotModel | Sequence[RobotModel],
        *,
        planning_margin_ns: int = PLANNING_MARGIN_NS,
        brake_margin_ns: int = BRAKE_MARGIN_NS,
        dry_run: bool = False,
        strategy: str = "receding_horizon",
        speed_scale: float = 1.0,
        clock: Callable[[], int] | None = None,
        steady: Callable[[], int] | None = None,
        simulated: bool = False,
    ) -> None:
        models = [model] if isinstance(model, RobotModel) else list(model)
        if len(models) != len(card.arms):
            raise ValueError(f"{len(models)} models for {len(card.arms)} arms; one for each is needed")
        for name, margin_ns in (("planning_margin_ns", planning_margin_ns), ("brake_margin_ns", brake_margin_ns)):
            if margin_ns < 0:
                raise ValueError(f"{name} is {margin_ns}, allowed is 0 or more")
        know_types(models[0].chain)
        self.card = card
        self.dry_run = dry_run
        self._arms = ArmGroup([Arm(card, i, m) for i, m in enumerate(models)], planning_margin_ns, brake_margin_ns)
        self._admission, self._delays, self._book = Admission(card), DelayWatch(), ReportBook()
        self._watch = Watch(
            card, self._arms, self._admission, dry_run=dry_run, clock=clock, steady=steady, simulated=simulated
        )
        self._stitcher = Stitcher(card, self._arms, strategy, planning_margin_ns)
        self._stitcher.speed_scale = speed_scale
        # What is told of the simulator's time may lag behind what is stamped with it.
        lagging = clock is not None and simulated
        leaves = (lambda: max(clock(), self._watch.states.newest_ns)) if lagging else clock
        sending = Sending(leaves, _DELIVERY_NS)
        self._motion = CommandedMotion(self._arms, self._stitcher, self._watch, self._book, sending, dry_run=dry_run)
        self._chunks = ChunkIntake(self._admission, self._delays, self._watch, self._motion, self._book)

    # what is known

    @property
    def speed_scale(self) -> float:
        """Speed of the steps of the chunks to come, as a share of what they ask for."""
        return self._stitcher.speed_scale

    def set_speed_scale(self, scale: float) -> None:
        """From the next chunk on steps take 1 / scale as long. Raises ValueError outside 0.05 to 1."""
        self._stitcher.speed_scale = scale

    def tool_path(self, now_ns: int, arm: int = 0) -> np.ndarray:
        """Where the tool of an arm will go: positions (N, 3) [m] in its base frame from now to the end of the plan.

        One row where the arm stands; none where nothing was ever commanded.
        """
        return self._arms.tool_path(now_ns, arm)

    def tool_at(self, t_ns: int, arm: int = 0) -> np.ndarray | None:
        """Position (3,) [m] of an arm's tool in its base frame as commanded at t_ns; None before the first command."""
        if self._arms.timeline is None:
            return None
        return self._arms.tool_positions(np.array([t_ns]), arm)[0]

    def commanded_at(self, t_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Commanded position, velocity, acceleration (J,) at t_ns: the last seconds, and the plan ahead.

        Joints of all arms, in the card's order. None where nothing was ever commanded.
        """
        timeline = self._arms.timeline
        return None if timeline is None else timeline.sample(t_ns)

    def snapshot(self, now_ns: int) -> Snapshot:
        """For the status message."""
        refusal, state = self._watch.refusal(now_ns), self._motion.state(now_ns)
        desync = refusal is not None and refusal.verdict is Verdict.DESYNC
        if desync and state in (ControllerState.IDLE, ControllerState.TRACKING):
            state = ControllerState.DESYNC  # not yet for long enough to brake; the state is that of the words beside it
        return Snapshot(
            state=state,
            message=refusal.message if refusal else self._watch.outside(),
            run_id=self._admission.run_id or "",
            state_age_ns=self._watch.states.age_ns(now_ns) or 0,
            tracking_error=self._watch.tracking_error,
            counts=self._book.counts,
            delay_ns=self._delays.p95_ns,
            delay_bound_ns=self._delays.bound_ns,
        )

    # what happens

    def on_joint_state(
        self,
        stamp_ns: int,
        names: Sequence[str],
        positions: Sequence[float],
        velocities: Sequence[float] | None,
        now_ns: int,
    ) -> None:
        """A measured state of some or all joints. Messages that are not finite or of the future, and joints that were heard of
        with a newer stamp, are ignored."""
        self._watch.on_joint_state(stamp_ns, names, positions, velocities, now_ns)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int = 0) -> Output:
        """A chunk has arrived. Its SCHEDULED report is in the output, with the trajectory where one was planned."""
        return self.on_chunks([chunk], now_ns, received_steady_ns)

    def on_chunks(self, chunks: Sequence[ActionChunk], now_ns: int, received_steady_ns: int = 0) -> Output:
        """Chunks that have arrived since the last call, in order of arrival. Only the newest of those that may be executed
        is planned; the others are reported superseded."""
        output = Output()
        self._advance(now_ns, output, chunks)
        self._chunks.take(chunks, now_ns, received_steady_ns, output)
        return self._finish(output, now_ns)

    def on_controller_state(
        self, arm: int, names: Sequence[str], reference: Sequence[float], speed_scaling: float, now_ns: int,
        stamp_ns: int | None = None,
    ) -> Output:  # fmt: skip
        """What the joint trajectory controller of an arm says of itself: its reference positions [rad] and speed scaling.

        stamp_ns: of its message; None: unknown. Once it has been heard, silence over 250 ms brakes, and is a state of its own.

        A speed scaling other than 1 stretches the motion behind this controller's back: it brakes, and waits for 1.
        """
        output = Output()
        self._watch.hear(arm, now_ns)
        self._advance(now_ns, output)
        why = self._watch.on_controller_state(arm, names, reference, speed_scaling, now_ns, stamp_ns)
        if why:
            self._motion.brake(now_ns, why, output)
        return self._finish(output, now_ns)

    def on_contended(self, why: str, now_ns: int) -> Output:
        """Who else commands the arms, or serves what this controller does, in words; empty: nobody, or nobody any more.

        Brakes, and refuses chunks and ``home`` with these words. Once they have gone and the arm is at rest, it is taken as it
        stands: whatever was commanded meanwhile, nothing leaps.
        """
        output = Output()
        self._advance(now_ns, output)
        if self._watch.on_contended(why):
            self._motion.brake(now_ns, why, output)
        return self._finish(output, now_ns)

    def on_listeners(self, unheard: str) -> None:
        """Whose trajectories nobody takes, in words; empty: somebody takes all. Meanwhile no motion begins."""
        self._watch.ready.unheard = unheard

    def tick(self, now_ns: int) -> Output:
        """Whatever time brings: chunks that end, gripper commands that are due, joint states that stay away."""
        output = Output()
        self._advance(now_ns, output)
        return self._finish(output, now_ns)

    def stop(self, now_ns: int) -> Output:
        """Brakes at once and latches: chunks are refused until ``resume``. Grippers stay as they are.

        Not accepted, though latched here, where somebody else commands the arm too, whom this stop does not reach.
        """
        output = Output(message="stopped; resume releases it")
        self._advance(now_ns, output)
        self._watch.ready.stopped = True
        self._motion.brake(now_ns, "stop", output)
        if self._motion.brake_wanted:
            output.message = (
                "stop is latched; there is no stop within the limits yet, the motion goes on until there is one"
            )
        if self._watch.ready.contended:
            output.accepted = False
            output.message += f"; but {self._watch.ready.contended}, and may move the arm"
        return self._finish(output, now_ns)

    def resume(self, now_ns: int) -> Output:
        """Releases ``stop``. The arm stays where it is until a chunk arrives."""
        stopped = self._watch.ready.stopped
        output = Output(message="ready for chunks" if stopped else "was not stopped")
        self._advance(now_ns, output)
        self._watch.ready.stopped = False
        released = "the stop is released" if stopped else "no stop was latched"
        if self._watch.ready.contended:
            output.message = f"{released}; but {self._watch.ready.contended}: chunks are refused until it is gone"
        elif any(self._watch.controllers.silent):
            output.message = f"{released}; but {self._watch.controllers.in_words()}: chunks are refused until then"
        return self._finish(output, now_ns)

    def home(self, now_ns: int) -> Output:
        """Moves all arms to the card's home, slowly, from wherever they are. Not accepted while stopped."""
        output = Output()
        self._advance(now_ns, output)
        self._motion.go_home(now_ns, output)
        if self.dry_run and output.accepted:
            output.message = f"dry run: nothing is published, the arm does not move ({output.message})"
        return self._finish(output, now_ns)

    def on_malformed(self, chunk: ActionChunk, reason: str, now_ns: int, received_steady_ns: int = 0) -> Output:
        """A message that is no chunk; ``chunk`` carries what could be read of it (run, sequence, stamp)."""
        output = Output()
        self._advance(now_ns, output, [chunk])
        refusal = self._admission.check_lost(chunk.run_id, chunk.sequence) or Refusal(Verdict.SHAPE, reason)
        self._admission.register(chunk, now_ns, may_begin_run=False)
        output.reports += self._book.refuse(chunk, *refusal, now_ns, received_steady_ns)
        return self._finish(output, now_ns)

    def published(self, steady_ns: int) -> None:
        """The trajectory of the last accepted chunk went out at this instant of the steady clock [ns]."""
        self._book.published(steady_ns)

    # how

    def _advance(self, now_ns: int, output: Output, arrived: Sequence[ActionChunk] = ()) -> None:
        """Brings everything up to now_ns before anything new is looked at. arrived: these will be, and are not lost."""
        for chunk in arrived:
            self._admission.arrives(chunk.run_id, chunk.sequence)
        self._motion.advance(now_ns, output)
        deviation = self._watch.deviation
        if (left_ns := deviation.left_ns(now_ns)) is not None:
            self._book.left(left_ns)
        output.reports += self._book.close(now_ns, deviation.last_word_ns())
        output.reports += [self._book.lost(*missing, now_ns) for missing in self._admission.lost(now_ns)]

    def _finish(self, output: Output, now_ns: int) -> Output:
        self._chunks.look_at_held(now_ns, output)
        trajectories, output.grippers = self._motion.grippers.ready(now_ns)
        output.trajectories += trajectories
        if self.dry_run:
            output.trajectories, output.grippers = [], []
        self._book.counts.trajectories_published += len(output.trajectories)
        output.status = self._motion.state(now_ns)
        return output
