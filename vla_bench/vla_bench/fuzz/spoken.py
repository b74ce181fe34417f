"""Episodes in which trajectory controllers speak, are switched off and on, and messages to and from them are lost or late.

A share of all seeds is of such episodes. Their random numbers beyond those of any episode are their own.
"""

from __future__ import annotations

import numpy as np

from vla_bench.fuzz.claims import Claims
from vla_bench.fuzz.curve import CYCLE_NS, Part, refusal
from vla_bench.fuzz.episode import CHUNKS, Episode
from vla_bench.fuzz.guard import guarded
from vla_bench.fuzz.leaps import Known, Leaps
from vla_bench.fuzz.link import Link
from vla_bench.fuzz.random_cell import MS, RULES, SPACES, RandomCell, make_cell
from vla_bench.fuzz.result import Result
from vla_bench.fuzz.speech import Said
from vla_bench.fuzz.told import Told, Violated
from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState

_SHARE = 0.6
_MARGIN_NS = 40 * MS
_CLOSE = 0.01  # [rad] a step that was done no better was not done
_LAST_CHUNKS = 12  # after all troubles: one at least has to be accepted
_SETTLED_NS = 3_000 * MS
_LONGEST_WAY_HOME_NS = 60_000 * MS


def speaks(seed: int) -> bool:
    """Whether the trajectory controllers of this seed's episode say anything."""
    return bool(np.random.default_rng([seed, 7]).random() < _SHARE)


def run_spoken_episode(seed: int, chunks: int = CHUNKS, *, clock_ahead: bool = True) -> Result:
    """Drives and judges the episode of this seed."""
    with guarded():
        return SpokenEpisode(make_cell(seed, SPACES, RULES), chunks, clock_ahead=clock_ahead).run()


class SpokenEpisode(Episode):
    """The judge knows what the arms do, what they were asked to, and which states have been heard."""

    def __init__(self, cell: RandomCell, chunks: int, *, clock_ahead: bool = True) -> None:
        super().__init__(cell, chunks, clock_ahead=clock_ahead)
        self.link = Link(self, np.random.default_rng([cell.seed, 6]))
        manners = [voice.manner for voice in self.link.voices]
        self.leaps = Leaps(self.arms, cell.start, self._limits, manners)
        tolerances = [min(_CLOSE, arm.limits.tracking_tolerance) for arm in self.card.arms]
        self._claims = Claims(self.leaps, tolerances, [50 * MS + 2 * manner.longest_ns for manner in manners])
        slowest = max(rights.brake_ns for rights in self._rights)
        self._told = Told(
            len(self.arms), cell.state_period_ns, self.card.max_open_loop_ns + slowest + _SETTLED_NS, self._add_violated
        )
        self._parts: dict[int, Part] = {}
        self._stops = False
        self._latest_ns = 0
        self._accepted_ns = 0

    def _begin(self) -> None:
        super()._begin()
        self.link.begin()

    def _end_troubles(self) -> None:
        super()._end_troubles()
        self.link.end()

    def _add_violated(self, violated: Violated) -> None:
        self.add(violated.kind, violated.amount, violated.detail)

    # states

    def hear(self, said: Said) -> None:
        """A state of a trajectory controller arrives."""
        self._told.heard(said.arm, self.now)
        self.leaps.heard(said.arm, said.of_ns)
        self._claims.heard(said.arm, said.of_ns, self.now)
        self.call(
            "controller state", self.controller.on_controller_state, said.arm, said.names, said.q, 1.0, self.clock,
            said.stamp_ns,
        )  # fmt: skip

    def set_clock(self, by_ns: int) -> None:
        if self._latest_ns + CYCLE_NS > self.now:
            self.at(self._latest_ns + CYCLE_NS, self.set_clock, by_ns)
            return
        before = len(self.aheads)
        super().set_clock(by_ns)
        if len(self.aheads) > before:
            self.leaps.forget()
            self._told.clock_set(self.now)
            self._told.trouble(max(self.now, *(rights.end_ns for rights in self._rights)))

    def happened(self, until_ns: int) -> None:
        self._told.trouble(until_ns)

    def struck(self, arm: int, until_ns: int) -> None:
        """A trouble of the link has begun, and lasts until then."""
        self.leaps.strike(arm, self.now)
        self._told.trouble(until_ns)
        self.may_anchor("link")

    def stood(self, arm: int, part: Part, measured: bool) -> None:
        """An arm stands, as its trajectory controller was switched; measured: where it is."""
        self.leaps.strike(arm, self.now)
        if measured:
            self.plant.anchored(arm, part.start_ns, self._slices[arm])

    # what the controller hands back

    def call(self, cause: str, function, *arguments):
        output = super().call(cause, function, *arguments)
        if output is None:
            return None
        if output.status is ControllerState.SILENT_CONTROLLER:
            self.may_anchor("silent")
        if cause == "tick":
            self._told.judge_status(output.status, self.now)
        for report in output.reports:
            if report.verdict is Verdict.LOST:
                continue
            if report.phase is Phase.SCHEDULED and report.verdict is Verdict.ACCEPTED:
                self._accepted_ns = self.now
            self._told.take(report, self.now)
            claimed = self._claims.take(report, self.ahead, self.now)
            if claimed:
                self.add("claims_what_was_not_done", *claimed)
        return output

    def _check_right_to_move(self, arm: int, message, cause: str, accepted: list[int], was_accepted: bool) -> None:
        """An arm that goes on otherwise than it was asked to may be braked, for as long as that takes."""
        self._stops = not accepted and not (cause == "home" and was_accepted)
        rights = self._rights[arm]
        if self._stops and any(self.leaps.seems_off(i, self.now) for i in range(len(self.arms))):
            rights.end_ns = max(rights.end_ns, self.now + _MARGIN_NS + rights.brake_ns)
        super()._check_right_to_move(arm, message, cause, accepted, was_accepted)

    def _send(self, arm: int, message, arrival_ns: int, *made: object) -> None:
        """It is asked as it would arrive; what becomes of it is the link's business."""
        known = self.leaps.known(arm, self.now, stop=self._stops)
        fate = self.link.fate(arm, arrival_ns)
        self._latest_ns = max(self._latest_ns, arrival_ns, fate.arrival_ns or 0)
        whole = (arm, message, *made, known, fate.troubled)
        self._soon(arrival_ns, self._ask, arm, message, made[0])
        if fate.arrival_ns is not None:
            self._soon(fate.arrival_ns, self._deliver, *whole)

    def _soon(self, when_ns: int, event, *arguments: object) -> None:
        if when_ns == self.now:
            event(*arguments)
        else:
            self.at(when_ns, event, *arguments)

    def _ask(self, arm: int, message, chunk: int) -> None:
        if not refusal(message, self.joints[arm], self.clock):
            self._parts[id(message)] = self.leaps.asked[arm].take(message, self.now, self.ahead, chunk)

    def _deliver(
        self, arm: int, message, chunk: int, seen: np.ndarray, apart: bool, known: Known, troubled: bool
    ) -> None:
        asked = self._parts.pop(id(message), None)
        if not self.link.active(arm):
            self.leaps.strike(arm, self.now)
            return
        refused = refusal(message, self.joints[arm], self.clock)
        if refused:
            if not troubled:
                self.add("refused_by_endpoint", 1.0, refused, chunk)
            return
        self._deliveries[arm].append((message, self.now, self.ahead))
        if troubled:
            self.leaps.strike(arm, self.now)
        part = self.arms[arm].take(message, self.now, self.ahead, chunk)
        self._anchors.judge(arm, part, seen[self._slices[arm]], apart)
        if self.leaps.judge(arm, part, asked or part, known, troubled):
            self.at(part.start_ns + self.cell.lag_ns, self._trail, arm, part)

    def _trail(self, arm: int, part: Part) -> None:
        if any(part is other for other in self.arms[arm].parts):
            self.plant.trails(self.now, self._slices[arm], part.before[0] - part.after[0])

    def enter(self, chunk: ActionChunk) -> None:
        super().enter(chunk)
        self._told.handed_in((chunk.run_id, chunk.sequence, chunk.stamp_ns), self.now)

    # the end

    def _result(self, driving_s: float) -> Result:
        result = super()._result(driving_s)
        result.speaks, result.link_troubles, result.excused = True, self.link.troubles, self.leaps.excused
        return result

    def _speak_last(self) -> None:
        for voice in self.link.voices:
            self.hear(voice.state())

    def _close(self) -> None:
        """Everything has been well for long: chunks are accepted, and who has stopped is told so by its voice."""
        self._live()
        super()._close()

    def _live(self) -> None:
        """A few chunks that ask for nothing to be moved."""
        self.resume()
        for _ in range(_LONGEST_WAY_HOME_NS // self.cell.interval_ns):
            if self.controller.snapshot(self.clock).state is not ControllerState.HOMING:
                break
            self.run_until(self.now + self.cell.interval_ns)
        since_ns, refused = self.now, ""
        for _ in range(_LAST_CHUNKS):
            self.run_until(self.now + self.cell.interval_ns)
            output = self._policy.hand_in_still()
            reports = output.reports if output is not None else []
            refused = next((f"{r.verdict.name}: {r.message}" for r in reports if r.phase is Phase.SCHEDULED), refused)
        self.run_until(self.now + 300 * MS)
        if self._accepted_ns <= since_ns:
            self.add("accepts_nothing_any_more", 1.0, refused[:120])
