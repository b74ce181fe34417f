"""Whether chunks that need no change are left alone: expert demonstrations in lockstep, step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vla_bench.rig.run import MS, Change
from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_controller.controller import PLANNING_MARGIN_NS, ChunkController, Output
from vla_motion import rotation
from vla_motion.model import RobotModel
from vla_sim.tasks import TASK_NAMES
from vla_trials.lockstep.expert_policy import ExpertPolicy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

POSITION_M = 1e-3
ANGLE_RAD = np.radians(0.5)
SETTLE_NS = 200 * MS
"""After a seam, how long steps are not asked to be where the chunk wants them [ns]."""
FIRST_SEED = 70_000
"""Of scenes that no demonstration shows."""


@dataclass
class CleanCount:
    """Steps executed; those that were looked at, and how many of them were off by more than a millimetre or half a
    degree. causes: of those that were off, by the limit that the report names, or "smoothing" where it names none.
    clamped: steps that the reports call clamped, by limit, of all executed."""

    executed: int = 0
    judged: int = 0
    off: int = 0
    clamped_steps: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    clamped: Counter[str] = field(default_factory=Counter)
    errors_m: list[float] = field(default_factory=list)
    errors_rad: list[float] = field(default_factory=list)


class Watch:
    """A controller that keeps count of what it makes of each chunk. Everything else is the controller's own."""

    def __init__(self, controller: ChunkController, model: RobotModel, count: CleanCount) -> None:
        self._controller = controller
        self._model = model
        self._count = count
        self._under_way: Change | None = None

    def __getattr__(self, name: str):
        return getattr(self._controller, name)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, received_steady_ns: int = 0) -> Output:
        output = self._controller.on_chunk(chunk, now_ns, received_steady_ns)
        for report in output.reports:
            if report.phase is not Phase.SCHEDULED or report.verdict is not Verdict.ACCEPTED:
                continue
            splice_ns = now_ns + PLANNING_MARGIN_NS
            self.judge(splice_ns)
            self._under_way = Change(now_ns, now_ns, splice_ns, None, None, chunk, report)
        return output

    def judge(self, until_ns: int) -> None:
        """Looks at the steps of the chunk under way that were executed before until_ns."""
        change, count = self._under_way, self._count
        self._under_way = None
        if change is None:
            return
        times, T = change.targets()
        clamps = {clamp.step: clamp.limit for clamp in change.report.clamps if clamp.limit != "open_loop"}
        kept_until = change.chunk.stamp_ns + min(change.chunk.valid_for_ns, self._controller.card.max_open_loop_ns)
        first = change.report.steps_skipped
        for step, due in enumerate(times[1:].tolist()):
            if step < first or due > min(until_ns, kept_until):
                continue
            count.executed += 1
            if step in clamps:
                count.clamped_steps += 1
                count.clamped[clamps[step]] += 1
            if due <= change.splice_ns + SETTLE_NS:
                continue
            tool = self._model.forward(self._controller.commanded_at(due)[0])
            distance, angle = (float(x) for x in rotation.pose_error(T[step + 1], tool))
            count.judged += 1
            count.errors_m.append(distance)
            count.errors_rad.append(angle)
            if distance > POSITION_M or angle > ANGLE_RAD:
                count.off += 1
                count.causes[clamps.get(step, "smoothing")] += 1


def count_clean(
    card_path: str,
    seeds: range,
    tasks: tuple[str, ...] = TASK_NAMES,
    progress: Callable[[str], None] = lambda _: None,
) -> CleanCount:
    """Expert trials of these tasks and seeds, no noise, without images: the expert does not look."""
    cell = SimulatedCell(load_card(card_path))
    images = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    cell.world.render = lambda camera: np.roll(images, cell.world.now_ns // MS % 224, axis=0)
    count = CleanCount()

    def controller() -> Watch:
        return Watch(cell.new_controller(), cell.model, count)

    policy = ExpertPolicy(cell.world, cell.model, lambda: runner.controller)
    runner = LockstepRunner(cell.card, cell.world, controller, policy)
    for task in tasks:
        for seed in seeds:
            result = runner.run(task, seed)
            runner.controller.judge(cell.world.now_ns)
            progress(f"{task} {seed}: {'done' if result.success else 'failed'} in {result.seconds} s")
    cell.world.close()
    return count


def measure(card_path: str, episodes: int = 6, progress: Callable[[str], None] = lambda _: None) -> dict:
    """``changed_share``: of the steps judged, those off by more than a millimetre or half a degree; with its causes, the
    share of all steps that reports call clamped, and how far off steps are.
    """
    count = count_clean(card_path, range(FIRST_SEED, FIRST_SEED + episodes), progress=progress)
    errors_mm, errors_deg = np.array(count.errors_m) * 1e3, np.degrees(count.errors_rad)
    return {
        "changed_share": round(count.off / max(count.judged, 1), 5),
        "steps_judged": count.judged,
        "steps_changed": count.off,
        "causes": dict(count.causes.most_common()),
        "steps_executed": count.executed,
        "clamped_share": round(count.clamped_steps / max(count.executed, 1), 5),
        "clamped_by": dict(count.clamped.most_common()),
        "error_mm_p50_p95_p99": [round(float(x), 3) for x in np.percentile(errors_mm, (50, 95, 99))],
        "error_deg_p50_p95_p99": [round(float(x), 3) for x in np.percentile(errors_deg, (50, 95, 99))],
        "episodes": episodes * len(TASK_NAMES),
    }
