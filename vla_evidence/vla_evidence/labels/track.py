"""What a failure label is decided from: one episode as a time series, filled by a lockstep trial or from a bag alike.

A lockstep trial fills one with

    track = EpisodeTrack(TrackInfo.from_card(card, task=task, target=instance.target, destination=instance.destination))
    runner.on_tick = lambda now_ns: track.sample_world(world)
    ... track.add_report(report) for each report of the controller, both phases ...
    track.finish(world.now_ns, success=result.success)
    finding = label_truth(track)
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.report import ChunkReport, Phase
from vla_evidence.labels.asked import Asked

SAMPLE_PERIOD_NS = 50_000_000
"""Samples closer together than this are passed over [ns]: that of vla/task_state, so that a trial and its bag look alike."""


class TrackError(ValueError):
    """A track that cannot be filled or judged as asked. The message says why."""


@dataclass(frozen=True)
class TrackInfo:
    """What was to be done, and the parts of the card that labels need.

    Attributes:
        task, instruction: As in the card, or as said.
        target: Object that the instruction names, empty where nobody knows (a real arm).
        destination: Object to bring it to, or None.
        time_limit_s: Of the trial [s], None: none known.
        workspace_min, workspace_max: Box of the tool in the base frame [m]. Shape (3,).
        horizon: Steps in a chunk.
        step_period_s: Time between two steps [s].
        gripper_joint: Joint that tells the opening, empty: no gripper.
        gripper_positions: Joint positions (closed, open) [m or rad].
        gripper_values: The policy's values for (closed, open).
        gripper_name: Name of the gripper's action column.
        perturbation: What was changed in the scene, in words; holds "viewpoint" where a camera was moved.
        arm: Name of the arm that box and gripper are of.
    """

    task: str = ""
    instruction: str = ""
    target: str = ""
    destination: str | None = None
    time_limit_s: float | None = None
    workspace_min: tuple[float, ...] = (-np.inf, -np.inf, -np.inf)
    workspace_max: tuple[float, ...] = (np.inf, np.inf, np.inf)
    horizon: int = 16
    step_period_s: float = 0.1
    gripper_joint: str = ""
    gripper_positions: tuple[float, float] = (0.0, 1.0)
    gripper_values: tuple[float, float] = (0.0, 1.0)
    gripper_name: str = ""
    perturbation: str = ""
    arm: str = ""

    @classmethod
    def from_card(
        cls, card: InterfaceCard, *, task: str = "", instruction: str = "", target: str = "",
        destination: str | None = None, time_limit_s: float | None = None, perturbation: str = "", arm: str = "",
    ) -> TrackInfo:  # fmt: skip
        """Of the named arm, the card's first by default. The time limit is that of the card's task, where none is given."""
        arm = card.arm(arm) if arm else card.arms[0]
        if time_limit_s is None:
            time_limit_s = next((t.time_limit for t in card.tasks if t.name == task), None)
        gripper = {}
        if arm.gripper is not None:
            g = arm.gripper
            gripper = {
                "gripper_joint": g.joint,
                "gripper_positions": (g.closed_position, g.open_position),
                "gripper_values": (g.closed_value, g.open_value),
                "gripper_name": card.action.names[card.gripper_column(arm.name)],
            }
        return cls(
            task=task, instruction=instruction, target=target, destination=destination, time_limit_s=time_limit_s,
            workspace_min=tuple(arm.limits.workspace_min), workspace_max=tuple(arm.limits.workspace_max),
            horizon=card.action.horizon, step_period_s=card.action.step_period, perturbation=perturbation,
            arm=arm.name, **gripper,
        )  # fmt: skip

    def opening(self, position: float) -> float:
        """A gripper's joint position as share of its way from closed (0) to open (1)."""
        closed, opened = self.gripper_positions
        return (position - closed) / (opened - closed)


class Sample(NamedTuple):
    """One instant. None stands for what nobody measured."""

    t_ns: int
    tool: np.ndarray | None = None
    """Position of the tool in the base frame [m]. Shape (3,)."""
    joints: np.ndarray | None = None
    """Arm joint positions [rad]. Shape (J,)."""
    opening: float | None = None
    """Of the gripper, 0 closed, 1 open."""
    held: str | None = None
    """Ground truth: object between the fingers, empty for none."""
    first_touched: str | None = None
    """Ground truth: first object touched since the reset, empty for none."""
    done: bool | None = None
    """Ground truth: the task's success metric holds now."""
    objects: Mapping[str, np.ndarray] | None = None
    """Ground truth: positions by name, base frame [m]."""
    goal_m: float | None = None
    """Ground truth: how far the target still has to go [m], see TaskState.msg."""


class World(Protocol):
    """The part of `vla_sim.world.SimWorld` that is read here."""

    now_ns: int

    def progress(self): ...
    def tool_pose(self) -> np.ndarray: ...
    def joint_state(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]: ...


@dataclass
class EpisodeTrack:
    """An episode's samples of one arm and chunk reports, in order of time.

    Attributes:
        others: The same of the card's further arms: samples of the same instants, with the same ground truth.
        success: Ground truth at the end; None: nobody knows.
        truth: Whether samples carry ground truth.
    """

    info: TrackInfo
    samples: list[Sample] = field(default_factory=list)
    chunks: list[Asked] = field(default_factory=list)
    end_ns: int = 0
    success: bool | None = None
    refused: Counter[str] = field(default_factory=Counter)
    others: tuple[EpisodeTrack, ...] = ()
    _gripper: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def of_card(cls, card: InterfaceCard) -> EpisodeTrack:
        """Empty, with one track for each of the card's arms."""
        first, *others = (cls(TrackInfo.from_card(card, arm=arm.name)) for arm in card.arms)
        first.others = tuple(others)
        return first

    @property
    def each_arm(self) -> tuple[EpisodeTrack, ...]:
        """This track, and those of the other arms."""
        return (self, *self.others)

    @property
    def truth(self) -> bool:
        """Whether samples carry ground truth."""
        return any(s.held is not None for s in self.samples)

    @property
    def start_ns(self) -> int:
        """Of the first sample; TrackError where there is none."""
        if not self.samples:
            raise TrackError("the track has no samples")
        return self.samples[0].t_ns

    def append(
        self, t_ns: int, *, tool: Iterable[float] | None = None, joints: Iterable[float] | None = None,
        opening: float | None = None, held: str | None = None, first_touched: str | None = None,
        done: bool | None = None, objects: Mapping[str, Iterable[float]] | None = None, goal_m: float | None = None,
    ) -> bool:  # fmt: skip
        """Adds a sample, see `Sample`. False, and nothing added, where the last one is less than `SAMPLE_PERIOD_NS` old.

        Raises:
            TrackError: Time went back.
        """
        if self.samples:
            since = t_ns - self.samples[-1].t_ns
            if since < 0:
                raise TrackError(f"a sample at {t_ns} ns after one at {self.samples[-1].t_ns} ns: time goes forward only")
            if since < SAMPLE_PERIOD_NS:
                return False
        self.samples.append(
            Sample(
                int(t_ns), _vector(tool), _vector(joints), None if opening is None else float(opening), held,
                first_touched, done, None if objects is None else {n: _vector(p) for n, p in objects.items()}, goal_m,
            )
        )  # fmt: skip
        return True

    def sample_world(self, world: World) -> bool:
        """Adds the simulator's truth of now, see `append`. Cheap to call on every tick: it looks first whether it is time."""
        if self.samples and 0 <= world.now_ns - self.samples[-1].t_ns < SAMPLE_PERIOD_NS:
            return False
        progress = world.progress()
        names, positions, _ = world.joint_state()
        position = dict(zip(names, positions, strict=True))
        finger = position.pop(self.info.gripper_joint, None)
        return self.append(
            world.now_ns,
            tool=world.tool_pose()[:3, 3],
            joints=position.values(),
            opening=None if finger is None else self.info.opening(finger),
            held=progress.held,
            first_touched=progress.first_touched,
            done=progress.done_now,
            objects=progress.objects,
            goal_m=progress.goal_distance,
        )

    def add_report(self, report: ChunkReport) -> None:
        """Adds what became of a chunk; take both phases: the gripper's commands are in SCHEDULED, the clamps in CLOSED."""
        for other in self.others:
            other.add_report(report)
        if report.phase is Phase.SCHEDULED:
            self._take_gripper(report)
            return
        if report.verdict.is_refusal:
            self.refused[report.verdict.name] += 1
        self.chunks.append(Asked.from_report(report))

    def finish(self, end_ns: int, success: bool | None = None) -> None:
        """Closes the track, and those of the other arms.

        Args:
            end_ns: End of the episode [ns].
            success: Ground truth, None where there is none.
        """
        for track in self.each_arm:
            track.end_ns, track.success = int(end_ns), success

    def commands_closed(self, t_ns: int) -> bool | None:
        """Whether the gripper was commanded to be more closed than open at an instant; None before the first command."""
        index = bisect.bisect_right(self._gripper, t_ns, key=lambda entry: entry[0])
        return None if index == 0 else self._gripper[index - 1][1] < 0.5

    def sequence_at(self, t_ns: int) -> int | None:
        """The chunk in motion at an instant; None where no chunk has run."""
        ran = [c for c in self.chunks if c.executed]
        before = [c for c in ran if c.stamp_ns <= t_ns]
        chosen = max(before, key=lambda c: c.stamp_ns) if before else (ran[0] if ran else None)
        return None if chosen is None else chosen.sequence

    def _take_gripper(self, report: ChunkReport) -> None:
        if self.info.gripper_name not in report.names or len(report.planned_actions) == 0:
            return
        closed, opened = self.info.gripper_values
        column = report.planned_actions[:, report.names.index(self.info.gripper_name)]
        first = int(report.step_stamps_ns[0])
        self._gripper = [entry for entry in self._gripper if entry[0] < first]  # the newest plan is what is executed
        self._gripper += [
            (int(stamp), float((value - closed) / (opened - closed)))
            for stamp, value in zip(report.step_stamps_ns, column, strict=True)
        ]


def _vector(values: Iterable[float] | None) -> np.ndarray | None:
    return None if values is None else np.array([*values], dtype=np.float64)
