"""The commanded motion: how chunks, stops and the way home take it over, and what is told where it is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from vla_contract.chunk import ActionChunk
from vla_contract.report import Verdict
from vla_contract.status import ControllerState
from vla_controller import cut
from vla_controller.books.output import Output
from vla_controller.books.reports import LEFT, ReportBook
from vla_controller.intake.tolerances import RESTS
from vla_controller.intake.watch import Watch
from vla_controller.planning.arm_group import ArmGroup
from vla_controller.planning.gripper import Grippers
from vla_controller.planning.sending import Sending
from vla_controller.planning.stitcher import Stitcher
from vla_controller.refusal import Refusal

_HOME_SHARE = 0.25
_DROPPED = "the trajectory controller had dropped it"
_SET_MEANWHILE = "the clock was set while this was planned"
_Planned = TypeVar("_Planned")


class CommandedMotion:
    """What the arms are commanded, and those who plan on it: strategy, grippers, report book and the way home.

    ``arms``, ``stitcher`` and ``grippers`` are for reading. brake_wanted: why a stop is still to be made, for which there was
    no way yet; empty: none is. dry_run: every chunk starts from the measured rest.
    """

    def __init__(
        self, arms: ArmGroup, stitcher: Stitcher, watch: Watch, book: ReportBook, sending: Sending, *, dry_run: bool
    ) -> None:
        self.arms, self.stitcher = arms, stitcher
        self.grippers = Grippers(arms.arms)
        self.brake_wanted = ""
        self._watch, self._book, self._sending, self._dry_run = watch, book, sending, dry_run
        self._now_ns: int | None = None
        self._homing_until_ns: int | None = None

    @property
    def homing(self) -> bool:
        """The arms are on their way home."""
        return self._homing_until_ns is not None

    def state(self, now_ns: int) -> ControllerState:
        """What the arms do, or what keeps them still."""
        kept_still_by = self._watch.ready.state(now_ns)
        if kept_still_by is not None:
            return kept_still_by
        if not self.arms.moving(now_ns):
            return ControllerState.IDLE
        if self.homing:
            return ControllerState.HOMING
        tracking = now_ns < self._book.tracking_until() and not self.arms.braking
        return ControllerState.TRACKING if tracking else ControllerState.BRAKING

    def advance(self, now_ns: int, output: Output) -> None:
        """Brings the motion up to now_ns, and brakes it where what is measured says so."""
        self._see_clock(now_ns, output)
        if self._homing_until_ns is not None and now_ns >= self._homing_until_ns:
            self._homing_until_ns = None
        if self._watch.stale_since_last(now_ns):
            self.brake(now_ns, "joint states have stopped arriving", output)
        for name in self._watch.controllers.fell_silent(now_ns):
            self.brake(now_ns, f"the trajectory controller of arm {name} has fallen silent", output)
        if self._watch.spoke_again():  # after an activation it holds where it stands, whatever was commanded before
            self.arms.forget()
            followed_ns = self._watch.deviation.followed_ns()
            self.cut(cut.REACTIVATED, now_ns if followed_ns is None else followed_ns, LEFT)
        dropped = self._watch.deviation.dropped(now_ns) if self.arms.moving(now_ns) else None
        if dropped is not None:
            self._watch.name_desync(now_ns)
            self._disown_steps(_DROPPED)
            self.cut(cut.DROPPED, now_ns, _DROPPED)
            self.arms.rest_at(now_ns, dropped)
        if self._watch.lost_since_last():
            self.brake(now_ns, "measured and commanded motion disagree", output)
        if self._watch.settle(now_ns):
            self.cut(cut.DISOWNED, now_ns)
        if self.brake_wanted:  # there was no way to rest within the limits a moment ago
            self.brake(now_ns, self.brake_wanted, output)

    def cut(self, kind: cut.Cut, at_ns: int, why: str = "") -> None:
        """From at_ns on the motion is another one: tells all who had planned on it. why: for the chunks' reports."""
        self.stitcher.strategy.forget()
        if kind.grippers is not None:
            kind.grippers(self.grippers)
        if kind.chunks:
            self._book.end(at_ns, why)
        if kind.homing:
            self._homing_until_ns = None

    def follow(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int, output: Output) -> Refusal | None:
        """Continues the motion with a chunk that was let in; why not, where the one under way stays."""
        refusal = self._watch.refusal(now_ns)
        if refusal is None and self.homing:
            refusal = Refusal(Verdict.STOPPED, "vla/home moves the arm (homing); chunks are taken when it is there")
        if refusal is not None:
            return refusal
        anchored = self._anchor(now_ns)
        refusal = self._stitch(chunk, now_ns, received_steady_ns, output)
        if refusal is not None:
            self._release(anchored)
        return refusal

    def go_home(self, now_ns: int, output: Output) -> None:
        """Moves all arms home, or says in the output why not."""
        refusal = self._watch.refusal(now_ns)
        rests = self.arms.timeline is not None and not self.arms.moving(now_ns)
        missing = "" if rests else self._watch.unconfirmed(now_ns)
        if refusal is not None or missing:
            output.accepted, output.message = False, refusal.message if refusal else f"{missing}: ask again"
            return
        anchored = self._anchor(now_ns)
        share = min(_HOME_SHARE, self.stitcher.speed_scale)
        problem, undone = self._attempt(self.arms.go_home, now_ns, share, self._sending)
        if undone:
            problem = f"{_SET_MEANWHILE}: ask again"
        if problem:
            self._release(anchored)
            output.accepted, output.message = False, "; ".join(filter(None, [problem, self._watch.outside()]))
            return
        self.brake_wanted = ""
        self.cut(cut.SENT_HOME, self.arms.splice_ns, "homing")
        self._homing_until_ns = self.arms.timeline.end_ns
        now_ns = self._sending.now(now_ns)
        output.message = f"home in {(self._homing_until_ns - now_ns) * 1e-9:.1f} s"
        output.trajectories += self.arms.messages(now_ns)

    def brake(self, now_ns: int, why: str, output: Output) -> None:
        """Brings the arms to rest as soon as the limits allow; where there is no way yet, ``brake_wanted`` says why."""
        self._disown_steps(f"braked: {why}")
        braked, undone = self._attempt(self._stop, now_ns)
        if undone:
            now_ns = self._sending.time(now_ns)
            self._see_clock(now_ns, output)
            braked = self._stop(now_ns)
        self.brake_wanted = why if braked is None else ""
        if braked:
            output.trajectories += self.arms.messages(self._sending.now(now_ns))
        self.cut(cut.BRAKED if braked else cut.RUNS_OUT, self.arms.splice_ns, f"braked: {why}")

    def _disown_steps(self, why: str) -> None:
        """What trajectory controllers have not shown to have followed is not reported as executed."""
        word_ns = self._watch.deviation.last_word_ns()
        if word_ns is not None:
            self._book.end(word_ns, why)

    def _attempt(self, plan: Callable[..., _Planned], *arguments: object) -> tuple[_Planned, bool]:
        """What a way of changing the motion hands back, and whether it was undone.

        It is where the clock was set meanwhile: its stamps are of neither time. The motion is then as it was before.
        """
        before = self.arms.save()
        planned = plan(*arguments)
        undone = self._watch.set_meanwhile()
        if undone:
            self.arms.restore(before)
        return planned, undone

    def _stitch(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int, output: Output) -> Refusal | None:
        stitched, undone = self._attempt(self.stitcher.plan, chunk, now_ns)
        if isinstance(stitched, Refusal):
            return stitched
        if undone:
            return Refusal(Verdict.INFEASIBLE, f"{_SET_MEANWHILE}; the motion under way stays")
        schedule, late_ns = stitched.schedule, self._sending.late_ns(stitched.schedule.splice_ns)
        if late_ns > 0:
            return Refusal(
                Verdict.INFEASIBLE,
                f"planned {late_ns * 1e-6:.0f} ms too late for a planning margin of {self.stitcher.margin_ns * 1e-6:.0f} ms: "
                "this computer is too busy; the motion under way stays",
            )
        self.stitcher.commit(stitched, now_ns)
        self.brake_wanted = ""
        self.grippers.schedule(chunk, schedule, now_ns)
        output.trajectories += self.arms.messages(self._sending.now(now_ns))
        ahead = self._watch.deviation.commanded_minus_measured()
        output.reports.append(self._book.accept(chunk, schedule, stitched.plan, ahead, now_ns, received_steady_ns))
        return None

    def _anchor(self, now_ns: int) -> bool:
        """Where nothing was commanded yet, or nothing ever is, the commanded motion is to stand as measured: then True.

        So it is where the arm has come to rest, and something else has moved it since, and where trajectory controllers stand off
        the plan: then it is to stand as they say.
        """
        states = self._watch.states
        dropped = self._watch.deviation.standing_off(now_ns)
        anew = self._dry_run or self.arms.timeline is None or dropped is not None or self.arms.is_displaced(states)
        if anew:
            why = "dry run: each chunk starts from the measured rest"
            if dropped is not None:
                why = _DROPPED
            self.cut(cut.ANCHORED, now_ns, why)
            self.arms.rest_at(now_ns, self._watch.deviation.standing(now_ns) if dropped is None else dropped)
        return anew

    def _release(self, anchored: bool) -> None:
        """Nothing was sent from a new anchor: the arm may be moved on by hand, so it is not commanded to stand there."""
        if anchored and not self._dry_run:
            self.arms.forget()

    def _stop(self, now_ns: int) -> bool | None:
        """As ArmGroup.brake. An arm that stands apart from the plan is commanded to stay where it stands: braking along the
        plan would set it in motion, where its trajectory controller has dropped the plan; where it is blocked, the force goes.
        One that moves otherwise than planned, as its controller has not got the plan, is braked from its own motion.
        """
        motion = self._watch.deviation.apart(now_ns) if self.arms.moving(now_ns) else None
        if motion is not None:
            begin_ns = self._sending.now(now_ns) + self.arms.brake_margin_ns
            q, v, _ = motion(begin_ns)
            if np.abs(v).max() <= RESTS:
                self.arms.hold(now_ns, q)
                return True
            return self.arms.brake_from(now_ns, begin_ns, motion)
        return self.arms.brake(now_ns, self._sending)

    def _see_clock(self, now_ns: int, output: Output) -> None:
        """Where the clock was set, what was remembered is of another time. What was sent already ends at rest."""
        words = self._watch.clock_set(now_ns)
        if words:
            self.cut(cut.CLOCK_SET, self._now_ns, words)
            output.reports += self._book.close_all(now_ns)
        self._now_ns = now_ns
