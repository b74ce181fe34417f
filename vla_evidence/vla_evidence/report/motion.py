"""Commanded motion of a run from its bag: joint velocities as shares of the card's limits, and where steps were clamped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vla_bags.reader import Bag
from vla_contract.card import ArmCard, InterfaceCard
from vla_contract.chunk import ChunkError
from vla_contract.report import ChunkReport, Phase
from vla_motion.spline import SplineTrajectory
from vla_motion.trajectory import JointTrajectory

SAMPLE_NS = 10_000_000
AROUND_NS = 1_000_000_000
TOUCH_NS = 2_000_000
"""Steps of two chunks are due at times that differ by this much at most where one follows the other [ns]."""


@dataclass
class RunReports:
    """Reports of one run, summed up.

    Attributes:
        received_ns: Receive times of its first and last report [ns]; a simulator's clock may begin anew with the next run.
        start_ns, end_ns: First and last step executed [ns].
        clamped: Begin and end [ns] of each altered step that was executed, and the limits in words.
        limits: Altered steps by limit.
    """

    run_id: str
    received_ns: tuple[int, int]
    start_ns: int = 0
    end_ns: int = 0
    executed: int = 0
    altered: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    clamped: list[tuple[int, int, str]] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)
    due: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def clamped_share(self) -> float:
        return self.altered / self.executed if self.executed else 0.0

    @property
    def window_ns(self) -> tuple[int, int]:
        """Receive times between which its messages lie [ns]."""
        return self.received_ns[0] - AROUND_NS, self.received_ns[1] + AROUND_NS

    def take(self, report: ChunkReport, received_ns: int) -> None:
        """In the order of the bag, both phases."""
        self.received_ns = self.received_ns[0], received_ns
        if report.phase is Phase.SCHEDULED:
            if len(report.step_stamps_ns):
                self.due[report.sequence] = report.step_stamps_ns
            return
        self.verdicts[report.verdict.name] += 1
        self.executed += report.steps_executed
        self.altered += report.steps_clamped
        if report.steps_executed:
            self.start_ns = min(self.start_ns or report.first_executed_ns, report.first_executed_ns)
            self.end_ns = max(self.end_ns, report.last_executed_ns)
        due = self.due.pop(report.sequence, np.empty(0, dtype=np.int64))
        limits: dict[int, list[str]] = {}
        for clamp in report.clamps:
            limits.setdefault(clamp.step, []).append(clamp.limit)
        for step, words in limits.items():
            self.limits.update(set(words))
            if step < len(due):
                period = int(due[1] - due[0]) if len(due) > 1 else 0
                self.clamped.append((int(due[step]) - period, int(due[step]), ", ".join(dict.fromkeys(words))))


@dataclass(frozen=True)
class Motion:
    """What one arm was commanded in a run.

    Attributes:
        seconds: Since the run's first executed step. Shape (T,).
        shares: Absolute joint velocities over their limits. Shape (T, J).
        accelerations: The same of accelerations. Shape (T, J).
        clamped: Begin and end [s], and the limits in words.
        left_out: Trajectories that could not be read, with the first reason.
    """

    arm: str
    joints: tuple[str, ...]
    start_ns: int
    seconds: np.ndarray
    shares: np.ndarray
    accelerations: np.ndarray
    clamped: list[tuple[float, float, str]]
    left_out: int = 0
    why: str = ""


def read_reports(bag: Bag) -> tuple[dict[str, RunReports], int]:
    """By run id, in order of time; empty in a bag without reports. And the number of those that contradict themselves.

    Raises:
        BagError: A message cannot be read.
    """
    from vla_contract.ros.convert import report_from_msg

    topic = bag.find("vla/chunk_report")
    runs: dict[str, RunReports] = {}
    malformed = 0
    for entry, message in bag.messages([topic]) if topic else ():
        try:
            report = report_from_msg(message)
        except ChunkError:
            malformed += 1
            continue
        if report.run_id:
            new = RunReports(report.run_id, (entry.stamp_ns, entry.stamp_ns))
            runs.setdefault(report.run_id, new).take(report, entry.stamp_ns)
    return runs, malformed


def read_motion(bag: Bag, card: InterfaceCard, arm: ArmCard, reports: RunReports) -> Motion | None:
    """An arm's commanded motion in a run; None where the bag has none of it.

    Each trajectory rules from its stamp until the next one's. Only one run's are in memory. Limits of another arm's joints are
    not among those that altered its steps.
    """
    from vla_contract.ros.convert import trajectory_from_msg

    topic = bag.find(arm.trajectory_topic, "trajectory_msgs/msg/JointTrajectory")
    if topic is None or not reports.executed:
        return None
    curves: list[SplineTrajectory] = []
    left_out, why = 0, ""
    for entry, message in bag.messages([topic], *reports.window_ns):
        try:
            fields = trajectory_from_msg(message)
            fields["stamp_ns"] = fields["stamp_ns"] or entry.stamp_ns
            if not fields["times_ns"].size or not _touches(fields, reports):
                continue
            curves.append(SplineTrajectory.from_trajectory(_ordered(JointTrajectory(topic, **fields), arm.joints)))
        except ValueError as error:
            left_out, why = left_out + 1, why or str(error)
    pieces = []
    velocity, acceleration = np.array(arm.limits.velocity), np.array(arm.limits.acceleration)
    for k, curve in enumerate(curves):
        end_ns = min(curves[k + 1].start_ns if k + 1 < len(curves) else curve.end_ns, curve.end_ns)
        times = np.arange(curve.start_ns, end_ns, SAMPLE_NS, dtype=np.int64)
        if len(times):
            _, v, a = curve.sample(times)
            pieces.append((times, np.abs(v) / velocity, np.abs(a) / acceleration))
    if not pieces:
        return None
    times, shares, accelerations = (np.concatenate(column) for column in zip(*pieces))
    since = reports.start_ns
    own = [span for span in map(partial(_without, _joints_of_others(card, arm)), sorted(reports.clamped)) if span[2]]
    clamped = [((a - since) * 1e-9, (b - since) * 1e-9, words) for a, b, words in _joined(own)]
    return Motion(arm.name, tuple(arm.joints), since, (times - since) * 1e-9, shares, accelerations, clamped, left_out, why)


def _joints_of_others(card: InterfaceCard, arm: ArmCard) -> frozenset[str]:
    return frozenset(joint for other in card.arms if other is not arm for joint in other.joints)


def _without(joints: frozenset[str], span: tuple[int, int, str]) -> tuple[int, int, str]:
    """The span without limits of these joints; a limit is "velocity JOINT", "workspace z" or "tool_speed"."""
    begin, end, words = span
    return begin, end, ", ".join(limit for limit in words.split(", ") if limit.rpartition(" ")[2] not in joints)


def _joined(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans of the same limits that touch, as one."""
    out: list[tuple[int, int, str]] = []
    for begin, end, words in spans:
        if out and out[-1][2] == words and begin <= out[-1][1] + TOUCH_NS:
            out[-1] = out[-1][0], max(end, out[-1][1]), words
        else:
            out.append((begin, end, words))
    return out


def _touches(fields: dict, reports: RunReports) -> bool:
    begins = fields["stamp_ns"] + int(fields["times_ns"][0])
    return begins <= reports.end_ns and fields["stamp_ns"] + int(fields["times_ns"][-1]) >= reports.start_ns


def _ordered(trajectory: JointTrajectory, joints: list[str]) -> JointTrajectory:
    """Columns in the card's order. ValueError names a joint that is not there."""
    given = list(trajectory.joint_names)
    if given == list(joints):
        return trajectory
    missing = [joint for joint in joints if joint not in given]
    if missing:
        raise ValueError(f"joint {missing[0]} is not in a trajectory of {', '.join(given)}")
    order = [given.index(joint) for joint in joints]
    columns = {
        name: None if value is None else value[:, order]
        for name, value in (("positions", trajectory.positions), ("velocities", trajectory.velocities),
                            ("accelerations", trajectory.accelerations))
    }  # fmt: skip
    return JointTrajectory(trajectory.topic, trajectory.stamp_ns, tuple(joints), trajectory.times_ns, **columns)
