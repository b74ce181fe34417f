"""The controller's core: chunks in, joint trajectories and reports out. No ROS, no clock of its own, deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_contract.status import ControllerState
from vla_motion.model import RobotModel

from .arm import Arm
from .cell import Cell
from .gate import Gate, Refusal
from .gripper import Grippers
from .output import Output, Snapshot
from .reports import Ledger
from .sending import Sending
from .stitcher import Stitcher
from .strategy import DelayWatch
from .watch import Watch

PLANNING_MARGIN_NS = 40_000_000
BRAKE_MARGIN_NS = 6_000_000
_HOME_SHARE = 0.25
_SET_MEANWHILE = "the clock was set while this was planned"
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
        simulated: The clock is a simulator's and has a rate of its own: that it was set ahead cannot be told.

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
        self.card = card
        self.dry_run = dry_run
        self._sending = Sending(clock, _DELIVERY_NS)
        self._margin_ns = planning_margin_ns
        self._cell = Cell([Arm(card, i, m) for i, m in enumerate(models)], planning_margin_ns, brake_margin_ns)
        self._grippers = Grippers(self._cell.arms)
        self._gate = Gate(card)
        self._ledger = Ledger()
        self._watch = Watch(card, self._cell, dry_run=dry_run, clock=clock, steady=steady, simulated=simulated)
        self._ready, self._states = self._watch.ready, self._watch.states
        self._stitcher = Stitcher(self._cell, strategy, planning_margin_ns, card.max_open_loop_ns)
        self._stitcher.speed_scale = speed_scale
        self._delays = DelayWatch()
        self._now_ns: int | None = None
        self._homing_until_ns: int | None = None
        self._brake_wanted = ""

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
        return self._cell.tool_path(now_ns, arm)

    def tool_at(self, t_ns: int, arm: int = 0) -> np.ndarray | None:
        """Position (3,) [m] of an arm's tool in its base frame as commanded at t_ns; None before the first command."""
        if self._cell.timeline is None:
            return None
        return self._cell.tool_positions(np.array([t_ns]), arm)[0]

    def commanded_at(self, t_ns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Commanded position, velocity, acceleration (J,) at t_ns: the last seconds, and the plan ahead.

        Joints of all arms, in the card's order. None where nothing was ever commanded.
        """
        timeline = self._cell.timeline
        return None if timeline is None else timeline.sample(t_ns)

    def snapshot(self, now_ns: int) -> Snapshot:
        """For the status message."""
        refusal = self._watch.refusal(now_ns)
        return Snapshot(
            state=self._state(now_ns),
            message=refusal.message if refusal else "",
            run_id=self._gate.run_id or "",
            state_age_ns=self._states.age_ns(now_ns) or 0,
            tracking_error=self._watch.tracking_error,
            counts=self._ledger.counts,
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
        """A measured state. Messages without all arm joints, not finite, older than the newest or of the future are
        ignored."""
        self._watch.on_joint_state(stamp_ns, names, positions, velocities, now_ns)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int = 0) -> Output:
        """A chunk has arrived. Its SCHEDULED report is in the output, with the trajectory where one was planned."""
        return self.on_chunks([chunk], now_ns, received_steady_ns)

    def on_chunks(self, chunks: Sequence[ActionChunk], now_ns: int, received_steady_ns: int = 0) -> Output:
        """Chunks that have arrived since the last call, in order of arrival. Only the newest of those that may be executed
        is planned; the others are reported superseded."""
        output = Output()
        self._advance(now_ns, output)
        newest: ActionChunk | None = None
        for chunk in chunks:
            refusal = self._admit(chunk, now_ns)
            if refusal is None and newest is not None:
                told = Refusal(Verdict.SUPERSEDED, f"sequence {chunk.sequence} arrived before this one was planned")
                output.reports += self._ledger.refuse(newest, *told, now_ns, received_steady_ns)
                newest = None
            if refusal is None and chunk.horizon == 0:
                self._brake(now_ns, "a chunk of horizon 0", output)
                refusal = Refusal(Verdict.BRAKE, "braking")
            if refusal is None:
                newest = chunk
            else:
                output.reports += self._ledger.refuse(chunk, *refusal, now_ns, received_steady_ns)
        if newest is not None:
            refusal = self._follow(newest, now_ns, received_steady_ns, output)
            if refusal is not None:
                output.reports += self._ledger.refuse(newest, *refusal, now_ns, received_steady_ns)
        return self._finish(output, now_ns)

    def on_controller_state(
        self, arm: int, names: Sequence[str], reference: Sequence[float], speed_scaling: float, now_ns: int
    ) -> Output:
        """What the joint trajectory controller of an arm says of itself: its reference positions [rad] and speed scaling.

        A speed scaling other than 1 stretches the motion behind this controller's back: it brakes, and waits for 1.
        """
        output = Output()
        self._advance(now_ns, output)
        why = self._watch.on_controller_state(arm, names, reference, speed_scaling, now_ns)
        if why:
            self._brake(now_ns, why, output)
        return self._finish(output, now_ns)

    def tick(self, now_ns: int) -> Output:
        """Whatever time brings: chunks that end, gripper commands that are due, joint states that stay away."""
        output = Output()
        self._advance(now_ns, output)
        return self._finish(output, now_ns)

    def stop(self, now_ns: int) -> Output:
        """Brakes at once and latches: chunks are refused until ``resume``. Grippers stay as they are."""
        output = Output(message="stopped; resume releases it")
        self._advance(now_ns, output)
        self._ready.stopped = True
        self._brake(now_ns, "stop", output)
        if self._brake_wanted:
            output.message = "stop is latched; there is no stop within the limits yet, the motion goes on until there is one"
        return self._finish(output, now_ns)

    def resume(self, now_ns: int) -> Output:
        """Releases ``stop``. The arm stays where it is until a chunk arrives."""
        output = Output(message="ready for chunks" if self._ready.stopped else "was not stopped")
        self._advance(now_ns, output)
        self._ready.stopped = False
        return self._finish(output, now_ns)

    def home(self, now_ns: int) -> Output:
        """Moves all arms to the card's home, slowly, from wherever they are. Not accepted while stopped."""
        output = Output()
        self._advance(now_ns, output)
        refusal = self._watch.refusal(now_ns)
        if refusal is not None:
            output.accepted, output.message = False, refusal.message
            return self._finish(output, now_ns)
        anchored = self._begin_at_rest(now_ns)
        before = self._cell.save()
        problem = self._cell.go_home(now_ns, min(_HOME_SHARE, self.speed_scale), self._sending)
        if self._watch.set_meanwhile():
            self._cell.restore(before)
            problem = f"{_SET_MEANWHILE}: ask again"
        if problem:
            self._take_back(anchored)
            output.accepted, output.message = False, problem
            return self._finish(output, now_ns)
        self._brake_wanted = ""
        self._stitcher.strategy.forget()
        self._grippers.hold()
        self._ledger.end(self._cell.splice_ns, "homing")
        self._homing_until_ns = self._cell.timeline.end_ns
        now_ns = self._sending.now(now_ns)
        output.message = f"home in {(self._homing_until_ns - now_ns) * 1e-9:.1f} s"
        output.trajectories += self._cell.messages(now_ns)
        return self._finish(output, now_ns)

    def on_malformed(self, chunk: ActionChunk, reason: str, now_ns: int, received_steady_ns: int = 0) -> Output:
        """A message that is no chunk; ``chunk`` carries what could be read of it (run, sequence, stamp)."""
        output = Output()
        self._advance(now_ns, output)
        self._gate.register(chunk, now_ns, may_begin_run=False)
        output.reports += self._ledger.refuse(chunk, Verdict.SHAPE, reason, now_ns, received_steady_ns)
        return self._finish(output, now_ns)

    def published(self, steady_ns: int) -> None:
        """The trajectory of the last accepted chunk went out at this instant of the steady clock [ns]."""
        self._ledger.published(steady_ns)

    # how

    def _state(self, now_ns: int) -> ControllerState:
        kept_still_by = self._ready.state(now_ns)
        if kept_still_by is not None:
            return kept_still_by
        if not self._cell.moving(now_ns):
            return ControllerState.IDLE
        if self._homing_until_ns is not None:
            return ControllerState.HOMING
        tracking = now_ns < self._ledger.tracking_until() and not self._cell.braking
        return ControllerState.TRACKING if tracking else ControllerState.BRAKING

    def _admit(self, chunk: ActionChunk, now_ns: int) -> Refusal | None:
        gate = self._gate
        refusal = gate.check_card(chunk)
        if refusal is None and chunk.horizon:
            refusal = gate.check_content(chunk)
        refusal = refusal or gate.check_order(chunk)
        if refusal is None and chunk.horizon:
            refusal = gate.check_time(chunk, now_ns)
        run_id = gate.run_id
        gate.register(chunk, now_ns, may_begin_run=refusal is None)
        if gate.run_id != run_id:  # between runs a hand may have moved the fingers, or a simulator started over
            self._grippers.forget()
            self._stitcher.strategy.forget()
            self._delays.forget()
        return refusal

    def _follow(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int, output: Output) -> Refusal | None:
        period_ns = round(chunk.step_period_ns / self.speed_scale)
        bound_ns = self._stitcher.strategy.bound_ns(chunk, period_ns) - self._margin_ns
        self._delays.add(now_ns - chunk.stamp_ns, bound_ns)
        refusal = self._watch.refusal(now_ns)
        if refusal is not None:
            return refusal
        if self._homing_until_ns is not None:
            return Refusal(Verdict.STOPPED, "homing is under way")
        anchored = self._begin_at_rest(now_ns)
        refusal = self._stitch(chunk, now_ns, received_steady_ns, output)
        if refusal is not None:
            self._take_back(anchored)
        return refusal

    def _stitch(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int, output: Output) -> Refusal | None:
        stitched = self._stitcher.plan(chunk, now_ns)
        if isinstance(stitched, Refusal):
            return stitched
        if self._watch.set_meanwhile():
            return Refusal(Verdict.INFEASIBLE, f"{_SET_MEANWHILE}; the motion under way stays")
        schedule, late_ns = stitched.schedule, self._sending.late_ns(stitched.schedule.splice_ns)
        if late_ns > 0:
            return Refusal(
                Verdict.INFEASIBLE,
                f"planned {late_ns * 1e-6:.0f} ms too late for a planning margin of {self._margin_ns * 1e-6:.0f} ms: this "
                "computer is too busy; the motion under way stays",
            )
        self._stitcher.commit(stitched, now_ns)
        self._brake_wanted = ""
        self._grippers.schedule(chunk, schedule, now_ns)
        output.trajectories += self._cell.messages(self._sending.now(now_ns))
        ahead = self._cell.timeline.sample(self._states.stamp_ns)[0] - self._states.positions
        output.reports.append(self._ledger.accept(chunk, schedule, stitched.plan, ahead, now_ns, received_steady_ns))
        return None

    def _begin_at_rest(self, now_ns: int) -> bool:
        """Where nothing was commanded yet, or nothing ever is, the commanded motion is to stand as measured: then True.

        So it is where the arm has come to rest, and something else has moved it since.
        """
        anew = self.dry_run or self._cell.timeline is None or self._cell.is_displaced(self._states)
        if anew:
            self._ledger.end(now_ns, "dry run: each chunk starts from the measured rest")
            self._cell.rest_at(now_ns, self._states.positions)
            self._stitcher.strategy.forget()
        return anew

    def _take_back(self, anchored: bool) -> None:
        """Nothing was sent from a new anchor: the arm may be moved on by hand, so it is not commanded to stand there."""
        if anchored and not self.dry_run:
            self._cell.forget()

    def _brake(self, now_ns: int, why: str, output: Output) -> None:
        self._grippers.hold()
        self._stitcher.strategy.forget()
        before = self._cell.save()
        braked = self._stop_motion(now_ns)
        if self._watch.set_meanwhile():  # its stamps are of a clock that is no more
            self._cell.restore(before)
            now_ns = self._sending.time(now_ns)
            self._see_clock(now_ns, output)
            braked = self._stop_motion(now_ns)
        self._brake_wanted = why if braked is None else ""
        if braked:
            self._homing_until_ns = None
            output.trajectories += self._cell.messages(self._sending.now(now_ns))
            self._ledger.end(self._cell.splice_ns, f"braked: {why}")

    def _stop_motion(self, now_ns: int) -> bool | None:
        """As Cell.brake. An arm that stands apart from the plan is held where it stands: braking along the plan would set it
        in motion, where its trajectory controller has dropped the plan; where it is blocked, the force goes."""
        held = self._watch.held_at(now_ns) if self._cell.moving(now_ns) else None
        if held is not None:
            self._cell.hold(now_ns, held)
            return True
        return self._cell.brake(now_ns, self._sending)

    def _advance(self, now_ns: int, output: Output) -> None:
        """Brings everything up to now_ns before anything new is looked at."""
        self._see_clock(now_ns, output)
        if self._homing_until_ns is not None and now_ns >= self._homing_until_ns:
            self._homing_until_ns = None
        if self._watch.stale_since_last(now_ns):
            self._brake(now_ns, "joint states have stopped arriving", output)
        if self._watch.lost_since_last():
            self._brake(now_ns, "measured and commanded motion disagree", output)
        if self._watch.settle(now_ns):
            self._stitcher.strategy.forget()
        if self._brake_wanted:  # there was no way to rest within the limits a moment ago
            self._brake(now_ns, self._brake_wanted, output)
        output.reports += self._ledger.close(now_ns)
        lost = [(*key, self._gate.untold(*key)) for key in self._gate.lost(now_ns)]
        output.reports += [self._ledger.lost(*one, now_ns) for one in lost]

    def _see_clock(self, now_ns: int, output: Output) -> None:
        """Where the clock was set, what was remembered is of another time. What was sent already ends at rest."""
        words = self._watch.clock_set(now_ns)
        if words:
            output.reports += self._ledger.close_all(self._now_ns, words, now_ns)
            self._gate.clock_jumped(now_ns)
            self._stitcher.strategy.forget()
            self._grippers.hold()
            self._homing_until_ns = None
        self._now_ns = now_ns

    def _finish(self, output: Output, now_ns: int) -> Output:
        trajectories, output.grippers = self._grippers.ready(now_ns)
        output.trajectories += trajectories
        if self.dry_run:
            output.trajectories, output.grippers = [], []
        self._ledger.counts.trajectories_published += len(output.trajectories)
        output.status = self._state(now_ns).name
        return output
