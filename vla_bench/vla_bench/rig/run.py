"""The controller alone, fed with chunks that come late and noisy, and everything that it published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vla_bench.rig.motion import NoisyPlanner
from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_controller.books.output import Output
from vla_controller.controller import PLANNING_MARGIN_NS, ChunkController
from vla_motion import rotation
from vla_motion.action_conversion import ee_delta_targets
from vla_motion.model import RobotModel
from vla_motion.spline import SplineTrajectory
from vla_motion.trajectory import JointTrajectory

MS = 1_000_000
TICK_NS = 20 * MS
START_NS = 1_000 * MS
RUN_ID = "5" * 32


@dataclass(frozen=True)
class Change:
    """One trajectory that took the place of another, and the chunk that it came from.

    now_ns: when it was published. begins_ns: when it rules what is executed: on arrival under the legacy rule, at its
    stamp under splice. splice_ns: when the new motion takes over from the one under way.
    """

    now_ns: int
    begins_ns: int
    splice_ns: int
    trajectory: JointTrajectory
    curve: SplineTrajectory
    chunk: ActionChunk
    report: ChunkReport

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """What the chunk asked for, before any clamp: due times (H + 1,) [ns] and tool poses (H + 1, 4, 4), the anchor
        first."""
        due = self.report.step_stamps_ns
        anchor = self.report.anchor
        T = rotation.pose(np.array(anchor[:3]), rotation.rotation_from_quaternion(np.array(anchor[3:7])))
        steps = ee_delta_targets(T, self.chunk.actions[:, :6])
        return np.concatenate([[due[0] - self.chunk.step_period_ns], due]), np.concatenate([T[None], steps])


class Executed:
    """What is executed: curves, each from when it takes the place of the one before [ns]."""

    def __init__(self, begins_ns: Sequence[int], curves: Sequence[SplineTrajectory]) -> None:
        self.begins_ns = np.array(begins_ns, dtype=np.int64)
        self.curves = list(curves)

    def sample(self, times_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position, velocity, acceleration at times_ns (N,): each (N, J)."""
        pieces = np.maximum(np.searchsorted(self.begins_ns, times_ns, side="right") - 1, 0)
        joints = self.curves[0].positions.shape[1]
        q, v, a = (np.empty((len(times_ns), joints)) for _ in range(3))
        for k in np.unique(pieces):
            here = pieces == k
            q[here], v[here], a[here] = self.curves[k].sample(times_ns[here])
        return q, v, a


@dataclass
class SeamRun:
    """What one run left. verdicts: how often each. clamped: limits that altered steps, counted by steps."""

    card: InterfaceCard
    model: RobotModel
    rule: str
    strategy: str
    changes: list[Change] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)
    clamped: dict[str, int] = field(default_factory=dict)
    steps: int = 0

    @property
    def begin_ns(self) -> int:
        return self.changes[0].splice_ns

    @property
    def end_ns(self) -> int:
        """The last change: from there on nothing is replaced."""
        return self.changes[-1].begins_ns

    def executed(self) -> Executed:
        """What the messages make the joint trajectory controller execute."""
        return Executed([c.begins_ns for c in self.changes], [c.curve for c in self.changes])


def with_rule(card: InterfaceCard, rule: str, horizon: int | None = None) -> InterfaceCard:
    """The card with another replacement rule, and another horizon where one is given."""
    update: dict = {"arms": [arm.model_copy(update={"replacement_rule": rule}) for arm in card.arms]}
    if horizon is not None:
        update["action"] = card.action.model_copy(update={"horizon": horizon})
    return card.model_copy(update=update)


def bench_chunk(card: InterfaceCard, actions: np.ndarray, stamp_ns: int, sequence: int, **changes) -> ActionChunk:
    """A chunk of the card; motion columns alone (H, 6) get an open gripper."""
    if actions.shape[1] < card.action_dim:
        actions = np.hstack([actions, np.ones((len(actions), card.action_dim - actions.shape[1]))])
    fields = {
        "stamp_ns": stamp_ns,
        "frame_id": card.arms[0].base_frame,
        "image_stamps_ns": (stamp_ns,) * len(card.cameras),
        "state_stamp_ns": stamp_ns,
        "run_id": RUN_ID,
        "sequence": sequence,
        "card_hash": card.card_hash,
        "action_space": ActionSpace(card.action_space),
        "names": tuple(card.action.names),
        "actions": actions,
        "step_period_ns": card.step_period_ns,
        "valid_for_ns": card.max_open_loop_ns,
        **changes,
    }
    return ActionChunk(**fields)


class IdealArm:
    """An arm that follows its commands without error; it tells the controller so every TICK_NS."""

    def __init__(self, card: InterfaceCard, controller: ChunkController, q: np.ndarray) -> None:
        self.controller = controller
        self._names = [joint for arm in card.arms for joint in arm.joints]
        self._q = np.array(q)
        self.now_ns = START_NS
        self.tell()

    def tell(self) -> None:
        commanded = self.controller.commanded_at(self.now_ns)
        q, v = (self._q, np.zeros_like(self._q)) if commanded is None else commanded[:2]
        self.controller.on_joint_state(self.now_ns, self._names, q, v, self.now_ns)

    def run_to(self, t_ns: int, take: Callable[[Output], None]) -> None:
        """Time goes on; take(output) is called after each tick."""
        while self.now_ns < t_ns:
            self.now_ns = min(self.now_ns + TICK_NS, t_ns)
            self.tell()
            take(self.controller.tick(self.now_ns))


def run_seams(
    card: InterfaceCard,
    model: RobotModel,
    planner: NoisyPlanner,
    *,
    changes: int,
    rng: np.random.Generator,
    strategy: str = "receding_horizon",
    replan_steps: int = 4,
    delay_ms: tuple[int, int] = (0, 300),
) -> SeamRun:
    """Chunks until that many trajectories have been replaced; each arrives a random delay after its observation.

    The card names the replacement rule. A chunk is decided every replan_steps. Delays are uniform, whole milliseconds.
    """
    arm = card.arms[0]
    run = SeamRun(card, model, arm.replacement_rule, strategy)
    controller = ChunkController(card, model, strategy=strategy)
    ideal = IdealArm(card, controller, np.array(arm.home))
    last: ChunkReport | None = None
    committed_steps = 0
    if strategy == "committed_prefix":  # what is due before the slowest chunk can take over
        committed_steps = -(-(delay_ms[1] * MS + PLANNING_MARGIN_NS) // card.step_period_ns)

    def count(output) -> None:
        for report in output.reports:
            if report.phase is Phase.CLOSED:
                run.verdicts[report.verdict.name] = run.verdicts.get(report.verdict.name, 0) + 1
                run.steps += report.steps_executed
                for limit in {(c.step, c.limit) for c in report.clamps if c.limit != "open_loop"}:
                    run.clamped[limit[1]] = run.clamped.get(limit[1], 0) + 1

    sequence, observed_ns = 0, START_NS + 10 * TICK_NS
    path_begins_ns = START_NS
    for _ in range(3 * changes + 10):  # where chunks are refused, an end all the same
        if len(run.changes) > changes:
            break
        ideal.run_to(observed_ns, count)
        commanded = controller.commanded_at(observed_ns)
        T_tool = model.forward(np.array(arm.home) if commanded is None else commanded[0])
        prefix = _prefix(last, observed_ns, committed_steps, card.step_period_ns)
        motion = planner.actions((observed_ns - path_begins_ns) * 1e-9, T_tool, card.action.horizon, prefix)
        chunk = bench_chunk(card, motion, observed_ns, sequence, committed_steps=0 if prefix is None else len(prefix))
        sequence += 1
        ideal.run_to(observed_ns + int(rng.integers(delay_ms[0], delay_ms[1] + 1)) * MS, count)
        output = controller.on_chunk(chunk, ideal.now_ns)
        count(output)
        scheduled = next((r for r in output.reports if r.phase is Phase.SCHEDULED), None)
        sent = [t for t in output.trajectories if t.topic == arm.trajectory_topic]
        next_ns = observed_ns + replan_steps * card.step_period_ns
        if scheduled is not None and scheduled.verdict is Verdict.ACCEPTED and sent:
            last = scheduled
            at_rest = int(scheduled.step_stamps_ns[0]) != int(chunk.step_stamps_ns()[0])
            splice_ns = (
                int(scheduled.step_stamps_ns[0]) - card.step_period_ns if at_rest else ideal.now_ns + PLANNING_MARGIN_NS
            )
            if at_rest:  # the path waits, and observations keep to the steps' own grid, so that a committed prefix can
                path_begins_ns += splice_ns - observed_ns
                next_ns = int(scheduled.step_stamps_ns[replan_steps - 1])
            newest = sent[-1]
            begins_ns = ideal.now_ns if arm.replacement_rule == "legacy" else max(newest.stamp_ns, ideal.now_ns)
            curve = SplineTrajectory.from_trajectory(newest)
            run.changes.append(Change(ideal.now_ns, begins_ns, splice_ns, newest, curve, chunk, scheduled))
        observed_ns = next_ns
    ideal.run_to(ideal.now_ns + 3_000 * MS, count)
    return run


def _prefix(report: ChunkReport | None, observed_ns: int, steps: int, period_ns: int) -> np.ndarray | None:
    """The first steps after observed_ns as the last report planned them (C, 6); None where there are none."""
    if report is None or not steps:
        return None
    first = int(np.searchsorted(report.step_stamps_ns, observed_ns + period_ns // 2))
    if first >= len(report.step_stamps_ns) or int(report.step_stamps_ns[first]) != observed_ns + period_ns:
        return None
    return report.planned_actions[first : first + steps, :6]
