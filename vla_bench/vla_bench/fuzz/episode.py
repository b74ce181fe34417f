"""One episode: a random cell driven through a few hundred chunks in virtual time, and judged."""

from __future__ import annotations

import time
import traceback

import numpy as np

from vla_bench.fuzz.anchors import Anchors
from vla_bench.fuzz.books import Books
from vla_bench.fuzz.curve import CYCLE_NS, Executed, refusal
from vla_bench.fuzz.curve_check import ArmLimits, check_all
from vla_bench.fuzz.guard import guarded, limited
from vla_bench.fuzz.plant import Plant
from vla_bench.fuzz.random_cell import MS, RULES, SPACES, RandomCell, make_cell, model_of, prefixes
from vla_bench.fuzz.random_policy import RandomPolicy
from vla_bench.fuzz.result import Result
from vla_bench.fuzz.rights import Rights
from vla_bench.fuzz.troubles import Troubles
from vla_bench.fuzz.violation import Found
from vla_bench.fuzz.virtual_time import START_NS, VirtualTime
from vla_contract.chunk import ActionChunk
from vla_contract.status import ControllerState
from vla_controller.controller import ChunkController

CHUNKS = 200
"""In an episode."""
_SHORT = ("tick", "joint state", "controller state")  # calls by the ten thousand, whose time is not watched
_EXCEPTIONS_KEPT = 3
_STOPS = ("tick", "stop", "chunk", "flood", "malformed", "home", "controller state")


def run_episode(
    seed: int, chunks: int = CHUNKS, spaces: tuple[str, ...] = SPACES, rules: tuple[str, ...] = RULES, *,
    clock_ahead: bool = True,
) -> Result:  # fmt: skip
    """Drives and judges the episode of this seed. clock_ahead: the clock may be set ahead, too."""
    with guarded():
        return Episode(make_cell(seed, spaces, rules), chunks, clock_ahead=clock_ahead).run()


class Episode(VirtualTime):
    """What the controller is told and hands back, by the clock that it sees, and what is wrong with that."""

    def __init__(self, cell: RandomCell, chunks: int, *, clock_ahead: bool = True) -> None:
        self.cell, self.card = cell, cell.card
        self.rng = np.random.default_rng([cell.seed, 2])
        super().__init__(int(self.rng.choice([0, 1_790_000_000_000_000_000])))
        self.found: list[Found] = []
        self.exceptions: list[str] = []
        self.exception_count = 0
        self.books = Books()
        self.arms = [Executed(cell.rule, q) for q in cell.start]
        self.plant = Plant(self.arms, cell.lag_ns, cell.sag)
        self.joints = [tuple(arm.joints) for arm in self.card.arms]
        self.names = [joint for joints in self.joints for joint in joints]
        edges = np.cumsum([0] + [len(joints) for joints in self.joints])
        self._slices = [slice(a, b) for a, b in zip(edges, edges[1:])]
        self.controller, self.strategy = self._build()
        self._policy = RandomPolicy(self, self.rng, chunks, self.strategy)
        self._troubles = Troubles(self, self.rng, clock_ahead=clock_ahead)
        self._index = -1
        self._deadlines: dict[int, int] = {}
        self._rest_by: dict[int, int] = {}
        self._arm_of = {arm.trajectory_topic: i for i, arm in enumerate(self.card.arms)}
        self._grippers = {arm.gripper.topic: arm.gripper for arm in self.card.arms if arm.gripper}
        self._last_arrival = [0] * len(self.arms)
        self._deliveries: list[list[tuple]] = [[] for _ in self.arms]
        self._state_ns: int | None = None  # stamp of the newest sound state the controller was given
        self._seen_ns = START_NS
        self.seen = cell.start.ravel()  # true positions when a joint state that counts was last sent
        self.stopped = False
        self._planning_s = 0.0
        self._limits = [ArmLimits.of(arm) for arm in (a["limits"] for a in self.card.to_dict()["arms"])]
        self._rights = [Rights(limits) for limits in self._limits]
        self._anchors = Anchors(cell, self.arms, self.plant, self._slices, self._limits)

    def run(self) -> Result:
        begun = time.process_time()
        self.at(self.now, self._state)
        self._policy.begin()
        self._begin()
        tail = 0
        while self._policy.left > 0 or self.now < tail:
            self.step()
            if self._policy.left <= 0 and not tail:
                self._end_troubles()
                tail = (
                    self.now + self.card.max_open_loop_ns + max(rights.brake_ns for rights in self._rights) + 1_500 * MS
                )
        self._close()
        return self._result(time.process_time() - begun)

    def _begin(self) -> None:
        self._troubles.begin()

    def _end_troubles(self) -> None:
        self._troubles.end()

    # the controller

    def _build(self) -> tuple[ChunkController, str]:
        cell = self.cell
        models = [model_of(cell.robot.name, cell.form, prefix) for prefix in prefixes(self.card)]
        for strategy in (cell.strategy, "receding_horizon"):
            try:
                return ChunkController(
                    self.card, models, strategy=strategy, speed_scale=cell.speed_scale, steady=lambda: self.now,
                    **cell.margins,
                ), strategy  # fmt: skip
            except ValueError:  # a strategy may refuse a card, with the reason
                if strategy == "receding_horizon":
                    raise
        raise AssertionError

    def call(self, cause: str, function, *arguments):
        """Calls the controller, counts what it raises, and takes what it hands back."""
        begun = time.process_time()
        try:
            output = function(*arguments) if cause in _SHORT else limited(function, *arguments)
        except Exception:
            self.exception_count += 1
            if len(self.exceptions) < _EXCEPTIONS_KEPT:
                self.exceptions.append(f"chunk {self._index}, {cause}: {traceback.format_exc()}")
            return None
        finally:
            self._planning_s += time.process_time() - begun
        if output is None:
            return None
        if output.status is ControllerState.DESYNC:
            self.may_anchor("desync")
        accepted = self.books.take(output.reports, self.now)
        for message in output.trajectories:
            self._publish(message, cause, accepted, output.accepted)
        return output

    def _publish(self, message, cause: str, accepted: list[int], was_accepted: bool) -> None:
        if message.topic in self._grippers:
            self._check_gripper(message)
            return
        arm = self._arm_of.get(message.topic)
        if arm is None:
            self.add("unknown_topic", 1.0, message.topic)
            return
        self._check_right_to_move(arm, message, cause, accepted, was_accepted)
        delay = int(self.rng.uniform(0, self.cell.jitter_ns)) if self.cell.jitter_ns else 0
        arrival = max(self.now + delay, self._last_arrival[arm])
        self._last_arrival[arm] = arrival
        apart = cause in _STOPS and self._state_ns is not None and self._anchors.stands_apart(self.now, self.seen, self._seen_ns)
        self._send(arm, message, arrival, self._index, self.seen, apart)

    def _send(self, arm: int, message, arrival_ns: int, *made: object) -> None:
        """made: what ``_deliver`` is to know of the instant at which the message was made."""
        if arrival_ns == self.now:
            self._deliver(arm, message, *made)
        else:
            self.at(arrival_ns, self._deliver, arm, message, *made)

    def _deliver(self, arm: int, message, chunk: int, seen: np.ndarray, apart: bool) -> None:
        """seen: true positions when the state was sent that the message was planned from. apart: see ``Anchors``, then."""
        refused = refusal(message, self.joints[arm], self.clock)
        if refused:
            self.add("refused_by_endpoint", 1.0, refused, chunk)
            return
        self._deliveries[arm].append((message, self.now, self.ahead))
        part = self.arms[arm].take(message, self.now, self.ahead, chunk)
        self._anchors.judge(arm, part, seen[self._slices[arm]], apart)

    def _check_right_to_move(self, arm: int, message, cause: str, accepted: list[int], was_accepted: bool) -> None:
        forbidden = self._forbidden()
        deadline = max(self._deadlines[i] for i in accepted) if accepted and not forbidden else None
        homing = cause == "home" and was_accepted and not forbidden
        if deadline is not None:
            late = self._rights[arm].late_ns(message, self.now, self.ahead, max(self._rest_by[i] for i in accepted))
            if late:
                self.add("rests_too_late", late * 1e-9, cause)
        excess = self._rights[arm].excess_ns(message, self.now, self.ahead, deadline, free=homing)
        if excess:
            self.add("moves_without_right", excess * 1e-9, f"{cause} while {forbidden}" if forbidden else cause)

    def _forbidden(self) -> str:
        if self.stopped:
            return "stopped"
        if self._state_ns is None:
            return "without states"
        if self.clock - self._state_ns > int(self.card.state.max_age * 1e9) + MS:
            return "states are stale"
        return ""

    def _check_gripper(self, message) -> None:
        card = self._grippers[message.topic]
        low, high = sorted((card.open_position, card.closed_position))
        q = message.positions
        if not np.isfinite(q).all() or q.min() < low - 1e-9 or q.max() > high + 1e-9:
            self.add("gripper", float(np.abs(q).max()), f"{q.ravel()[:4]}")

    def add(self, kind: str, amount: float, detail: str = "", chunk: int | None = None) -> None:
        self.found.append(Found(kind, float(amount), self.now, self._index if chunk is None else chunk, detail))

    def may_anchor(self, reason: str) -> None:
        """From now on the next motion may begin where the arm stands, once, instead of where it was commanded."""
        self._anchors.may(reason)

    # what happens to it

    def happened(self, until_ns: int) -> None:
        """Something goes wrong, until then at the latest."""

    def tick(self) -> None:
        self.call("tick", self.controller.tick, self.clock)

    def stop(self) -> None:
        self.stopped = True
        self.call("stop", self.controller.stop, self.clock)
        margin = 32 * MS if self.cell.jitter_ns else 10 * MS
        for arm, rights in enumerate(self._rights):
            over = rights.end_ns - (self.now + margin + rights.brake_ns)
            if over > 0:
                self.add("stop_too_slow", over * 1e-9, f"arm {arm}")

    def resume(self) -> None:
        self.stopped = False
        self.call("resume", self.controller.resume, self.clock)

    def home(self) -> None:
        self.call("home", self.controller.home, self.clock)

    def set_clock(self, by_ns: int) -> None:
        """Back, where by_ns is negative."""
        begun = max(self._last_arrival) + CYCLE_NS
        if begun > self.now:  # no stamp is right for a clock that is set before the message has been taken up
            self.at(begun, self.set_clock, by_ns)
            return
        self.turn_clock(by_ns)
        self._state_ns = None
        self.may_anchor("clock")

    def _state(self) -> None:
        """A joint state, then a tick; again and again."""
        measured = self._troubles.joint_state()
        if measured is not None:
            stamp, names, positions, velocities, sound = measured
            if sound and (self._state_ns is None or stamp >= self._state_ns):
                self._state_ns = stamp
                self.seen, self._seen_ns = self.plant.state(self.now)[0], self.now
            self.call("joint state", self.controller.on_joint_state, stamp, names, positions, velocities, self.clock)
        self.tick()
        self.at(self.now + self.cell.state_period_ns, self._state)

    def as_reported(self, chunk: ActionChunk) -> ActionChunk:
        """As a policy makes it that sees what is reported of the arms: here all of it is true."""
        return chunk

    def enter(self, chunk: ActionChunk) -> None:
        """It will be handed in now."""
        self._index += 1
        self._deadlines[self._index] = chunk.stamp_ns - self.ahead + min(chunk.valid_for_ns, self.card.max_open_loop_ns)
        self._rest_by[self._index] = chunk.stamp_ns - self.ahead + self.card.max_open_loop_ns
        self.books.hand_in(chunk, self._index, self.now)

    # the end

    def _close(self) -> None:
        self._policy.hand_in_rest()
        # slowed-down chunks may be due long after the motion has ended
        slowest = int(self.card.action.horizon * self.card.step_period_ns / 0.05)
        for pause in (10 * MS, 500 * MS, 1_000 * MS, 5_000 * MS, slowest):
            self.now += pause
            self._speak_last()
            q, v = self.plant.state(self.now)
            self.call("joint state", self.controller.on_joint_state, self.clock, self.names, q, v, self.clock)
            self.tick()
        self.books.close(self.now)

    def _speak_last(self) -> None:
        """Where trajectory controllers speak, they still do."""

    def _result(self, driving_s: float) -> Result:
        begun = time.process_time()
        found, peaks, samples = check_all(self.cell.robot, self.arms, self._limits, self.now, self.rng)
        return Result(
            seed=self.cell.seed, cell=self.cell, chunks=self.books.chunks, accepted=self.books.accepted,
            unreported=self.books.unreported, found=self.found + found + self.books.found, exceptions=self.exceptions,
            exception_count=self.exception_count, verdicts=self.books.verdicts, strategy=self.strategy, peaks=peaks,
            samples=samples, seconds=driving_s + time.process_time() - begun, planning_seconds=self._planning_s,
            anchors=self._anchors.count, deliveries=self._deliveries, executed=self.arms, aheads=self.aheads,
        )  # fmt: skip
