"""Episodes whose joint states come in parts, stamped wrong, in any order, with gaps, and wrapped; judged joint by joint.

Their seeds are counted from ``POSTURES`` on, and their random numbers are their own: all other episodes stay as they were.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vla_bench.fuzz.drivers import Drivers, Heard, wrapped
from vla_bench.fuzz.episode import CHUNKS, Episode
from vla_bench.fuzz.guard import guarded
from vla_bench.fuzz.random_cell import MS, RULES, SPACES, RandomCell, make_cell
from vla_bench.fuzz.result import Result
from vla_bench.fuzz.robots import TURNING
from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import ControllerState

POSTURES = 10**12
"""Seeds from here on are of such episodes."""
_TICK_NS = 10 * MS
_LONG_WAY, _SOME, _ROOM = 2.5, 0.6, 3.0  # [rad] limits of the tool may make a joint go further than was asked by steps
_OFF = 0.01  # [rad] noise is less
_SILENT = (ControllerState.WAITING_FOR_STATE, ControllerState.STALE_STATE)
_WORSE = (ControllerState.STOPPED, ControllerState.DESYNC)  # are told before a state that is stale


def run_posture_episode(seed: int, chunks: int = CHUNKS) -> Result:
    """Drives and judges the episode of this seed."""
    with guarded():
        return PostureEpisode(posture_cell(seed), chunks).run()


def posture_cell(seed: int, spaces: tuple[str, ...] = SPACES, rules: tuple[str, ...] = RULES) -> RandomCell:
    """Half of the cells have arms whose last joint turns for ever, and begin near the seam at which it is wrapped."""
    rng = np.random.default_rng([seed, 5])
    turning = rng.random() < 0.5
    cell = make_cell(seed, spaces, rules, **({"robots": TURNING} if turning else {}))
    start = cell.start.copy()
    if turning and not cell.outside:
        start[:, -1] = rng.choice([-1.0, 1.0]) * (np.pi - rng.uniform(0.005, 0.3, len(start)))
    return dataclasses.replace(cell, start=start)


class PostureEpisode(Episode):
    """The judge knows of each joint the newest stamp that came rightly, and nothing of how the controller keeps its own."""

    def __init__(self, cell: RandomCell, chunks: int, *, clock_ahead: bool = True) -> None:
        super().__init__(cell, chunks, clock_ahead=clock_ahead)
        count = cell.robot.joint_count
        self._turning = np.array([arm * count + j for arm in range(len(self.arms)) for j in cell.robot.turning], dtype=int)
        self._drivers = Drivers(self, np.random.default_rng([cell.seed, 4]), self._turning)
        self._newest: list[int | None] = [None] * len(self.names)
        self._sent = np.full(len(self.names), self.now)
        self._asked: dict[tuple[str, int], np.ndarray | None] = {}
        self._begun = self._clock_unseen = self._closed = False
        self._max_age_ns = int(cell.card.state.max_age * 1e9)
        self._ahead_ns = int(cell.card.state.max_skew * 1e9)

    def _end_troubles(self) -> None:
        super()._end_troubles()
        self._drivers.end()

    def _close(self) -> None:
        self._closed = True  # the last states come whole, and by no driver
        super()._close()

    # joint states

    def _state(self) -> None:
        """Only the tick: joint states come by themselves."""
        if not self._begun:
            self._begun = True
            self._drivers.begin()
        self.tick()
        self.at(self.now + _TICK_NS, self._state)

    def hear(self, message: Heard) -> None:
        """A joint state arrives."""
        if not self._clock_unseen and message.stamp_ns <= self.clock + self._ahead_ns:
            self.seen = self.seen.copy()  # messages under way keep what was seen when they were planned
            for joint, place in zip(message.joints, message.truth):
                newest = self._newest[joint]
                if newest is None or message.stamp_ns >= newest:
                    self._newest[joint] = message.stamp_ns
                    self.seen[joint], self._sent[joint] = place, self.now
            self._state_ns = None if None in self._newest else min(self._newest)
            self._seen_ns = int(self._sent.min())
        self.call(
            "joint state", self.controller.on_joint_state, message.stamp_ns, message.names, message.positions,
            message.velocities, self.clock,
        )  # fmt: skip

    def set_clock(self, by_ns: int) -> None:
        super().set_clock(by_ns)
        if self._state_ns is None:  # it was set now, not put off
            self._newest = [None] * len(self.names)
            self._clock_unseen = True

    def tick(self) -> None:
        output = self.call("tick", self.controller.tick, self.clock)
        self._clock_unseen = False
        if output is not None:
            self._judge_status(output.status)

    def _judge_status(self, status: ControllerState) -> None:
        """That a state is too old is told, and nothing else is."""
        if status in _WORSE or self._state_ns is None or self._closed:
            return
        age_ns = self.clock - self._state_ns
        if age_ns > self._max_age_ns + MS and status not in _SILENT:
            self.add("stale_not_told", age_ns * 1e-9, status.name)
        if age_ns <= self._max_age_ns and status in _SILENT:
            self.add("fresh_but_told_stale", age_ns * 1e-9, status.name)

    def call(self, cause: str, function, *arguments):
        output = super().call(cause, function, *arguments)
        for report in output.reports if output is not None else ():
            if report.verdict is Verdict.NO_STATE and not report.message:
                self.add("refused_without_words", 1.0, cause)
            if report.verdict is Verdict.ACCEPTED and report.phase is Phase.SCHEDULED:
                self._judge_posture(report.commanded_minus_measured)
                self._check_way(report, output.trajectories)
        return output

    def _judge_posture(self, told: np.ndarray) -> None:
        """Each joint is compared where it was last measured, at that time. told (J,): commanded minus measured [rad].

        Where messages take their time, what is commanded is not yet what is executed; an arm at rest may be anchored anew.
        """
        if self._state_ns is None or self.cell.jitter_ns:
            return
        for joint, (stamp_ns, place) in enumerate(zip(self._newest, self.seen)):
            arm, own = divmod(joint, self.cell.robot.joint_count)
            q, v, _ = self.arms[arm].at(max(0, stamp_ns - self.ahead))
            off = abs(q[own] - place - told[joint])
            if np.abs(v).max() > 0.0 and off > _OFF:
                self.add("not_the_newest", float(off), self.names[joint])

    # chunks

    def as_reported(self, chunk: ActionChunk) -> ActionChunk:
        """With the angles of turning joints as the policy sees them."""
        if not len(self._turning):
            return chunk
        reference, actions = np.array(chunk.reference_positions), np.array(chunk.actions)
        reference[self._turning] = wrapped(reference[self._turning])
        columns = self._turning_columns()
        if chunk.action_space is ActionSpace.JOINT_POSITION and columns and actions.size and actions.shape[1] > max(columns):
            angles = actions[:, columns]
            actions[:, columns] = np.where(np.isfinite(angles), wrapped(np.where(np.isfinite(angles), angles, 0.0)), angles)
        return dataclasses.replace(chunk, reference_positions=reference, actions=actions)

    def _turning_columns(self) -> list[int]:
        """Of a chunk; none where its columns are no joints."""
        if self.card.action_space.is_cartesian:
            return []
        return [self.card.arm_columns(arm.name)[j] for arm in self.card.arms for j in self.cell.robot.turning]

    def enter(self, chunk: ActionChunk) -> None:
        super().enter(chunk)
        self._asked[chunk.run_id, chunk.sequence] = self._asked_of(chunk)

    def _asked_of(self, chunk: ActionChunk) -> np.ndarray | None:
        """How far each turning joint is asked to go (arms,) [rad]; None where that is not told in joints."""
        columns = self._turning_columns()
        if not columns or not len(chunk.actions) or chunk.action_space.is_cartesian or chunk.actions.shape[1] <= max(columns):
            return None
        asked = np.clip(chunk.actions[:, columns], -1e6, 1e6)
        if chunk.action_space is ActionSpace.JOINT_POSITION:
            now = np.array([executed.at(self.now)[0][-1] for executed in self.arms])
            return np.abs(np.unwrap(np.vstack([now, asked]), axis=0) - now).max(axis=0)
        return np.abs(np.cumsum(asked, axis=0) if chunk.action_space is ActionSpace.JOINT_DELTA else asked).max(axis=0)

    def _check_way(self, report: ChunkReport, messages: list) -> None:
        """An angle and the same angle a turn on are one: no joint goes all around for it."""
        asked = self._asked.get((report.run_id, report.sequence))
        absolute = self.card.action_space is ActionSpace.JOINT_POSITION
        room = _ROOM if report.clamps and not absolute else _SOME
        for message in messages if asked is not None else ():
            arm = self._arm_of.get(message.topic)
            if arm is None or not asked[arm] <= _LONG_WAY:
                continue
            way = np.abs(message.positions[:, -1] - self.arms[arm].at(self.now)[0][-1]).max()
            if way > asked[arm] + room:
                self.add("turned_all_around", float(way), f"{asked[arm]:.3g} rad were asked for")
