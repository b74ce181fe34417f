"""What a chunk costs the controller: wall time of on_chunk, warm, in a closed sequence with the arm moving."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vla_bench.machine import describe_machine
from vla_bench.rig.motion import NoisyPlanner, Reaches
from vla_bench.rig.panda import Bench, panda_bench
from vla_bench.rig.run import MS, IdealArm, bench_chunk
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_controller.controller import ChunkController

WARM_UP = 20
HORIZONS = (4, 8, 16, 32, 50, 64)


@dataclass(frozen=True)
class Cost:
    """Wall and processor times of on_chunk [s], one for each chunk accepted or not, and how many were planned."""

    seconds: np.ndarray
    cpu_seconds: np.ndarray
    accepted: int

    def percentile_ms(self, percent: float) -> float:
        """Of the wall times."""
        return round(float(np.percentile(self.seconds, percent)) * 1e3, 3)

    def cpu_percentile_ms(self, percent: float) -> float:
        """Of the processor times."""
        return round(float(np.percentile(self.cpu_seconds, percent)) * 1e3, 3)


def chunk_cost(
    bench: Bench, count: int, *, seed: int = 0, replan_steps: int = 4, delay_ms: tuple[int, int] = (50, 150),
    hostile: float = 0.0,
) -> Cost:  # fmt: skip
    """Times that many chunks after WARM_UP others.

    Noisy reaches, a chunk every replan_steps, each arriving a uniform delay after its observation. hostile: share of
    the chunks that ask for what must be changed or refused.
    """
    card, period_ns = bench.card, bench.card.step_period_ns
    rng = np.random.default_rng([seed, 0])
    controller = ChunkController(card, list(bench.models) if len(bench.models) > 1 else bench.models[0])
    home = [np.array(arm.home) for arm in card.arms]
    ideal = IdealArm(card, controller, np.concatenate(home))
    planners = [
        NoisyPlanner(
            Reaches(np.random.default_rng([seed, 1, k]), model.forward(q)),
            np.random.default_rng([seed, 2, k]),
            period_ns * 1e-9,
        )
        for k, (model, q) in enumerate(zip(bench.models, home))
    ]
    replan_steps = min(replan_steps, max(1, card.action.horizon - 3))
    replan_ns = max(replan_steps * period_ns, (delay_ms[1] + 10) * MS)
    seconds: list[tuple[float, float]] = []
    accepted = 0
    begin_ns = observed_ns = ideal.now_ns
    for sequence in range(count + WARM_UP):
        observed_ns += replan_ns
        ideal.run_to(observed_ns, lambda _: None)
        commanded = controller.commanded_at(observed_ns)
        q = np.concatenate(home) if commanded is None else commanded[0]
        motion, start = [], 0
        for planner, model, rest in zip(planners, bench.models, home):
            T_tool = model.forward(q[start : start + len(rest)])
            motion.append(planner.actions((observed_ns - begin_ns) * 1e-9, T_tool, card.action.horizon))
            start += len(rest)
        chunk = bench_chunk(card, _columns(card, motion), observed_ns, sequence)
        if rng.random() < hostile:
            chunk = _hostile(rng, card, chunk)
        ideal.run_to(observed_ns + int(rng.integers(delay_ms[0], delay_ms[1] + 1)) * MS, lambda _: None)
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        output = controller.on_chunk(chunk, ideal.now_ns)
        taken = time.perf_counter() - start_s, time.process_time() - start_cpu_s
        if sequence >= WARM_UP:
            seconds.append(taken)
            accepted += any(r.phase is Phase.SCHEDULED and r.verdict is Verdict.ACCEPTED for r in output.reports)
    wall, cpu = np.array(seconds).T
    return Cost(wall, cpu, accepted)


def _columns(card: InterfaceCard, motion: Sequence[np.ndarray]) -> np.ndarray:
    """Each arm's (H, 6) in its columns, grippers open."""
    actions = np.ones((len(motion[0]), card.action_dim))
    for arm, columns in zip(card.arms, motion):
        actions[:, card.arm_columns(arm.name)] = columns
    return actions


def _hostile(rng: np.random.Generator, card: InterfaceCard, chunk: ActionChunk) -> ActionChunk:
    """The chunk with leaps, a way out of the workspace, a corner after each step, or a value that is no number."""
    actions = np.array(chunk.actions)
    columns = card.arm_columns(card.arms[0].name)
    kind = int(rng.integers(4))
    if kind == 0:
        actions[:, columns] += rng.normal(0.0, 0.2, (len(actions), 6))
    elif kind == 1:
        actions[:, columns[:3]] += rng.normal(0.0, 1.0, 3) * 0.05
    elif kind == 2:
        actions[:, columns] += (-1.0) ** np.arange(len(actions))[:, None] * rng.normal(0.0, 0.05, 6)
    else:
        actions[int(rng.integers(len(actions))), columns[0]] = np.nan
    return bench_chunk(card, actions, chunk.stamp_ns, chunk.sequence)


def measure(
    card: InterfaceCard, count: int = 400, growth_count: int = 60, progress: Callable[[str], None] = lambda _: None
) -> dict:
    """The figures of ``controller.cost``.

    h16, h50: 16 and 50 steps on the card's arm, 50 at the card's period and at 25 Hz, of which the dearer is given. Beside
    them a mix with a tenth of hostile chunks, and ``growth``: medians [ms] for each number of joints and horizon.
    """
    figures: dict = {}

    def note(name: str, cost: Cost) -> None:
        for percent in (50, 99):
            figures[f"{name}_p{percent}_ms"] = cost.percentile_ms(percent)
            figures[f"{name}_cpu_p{percent}_ms"] = cost.cpu_percentile_ms(percent)
        progress(f"{name}: {cost.percentile_ms(50)} ms, 99th percentile {cost.percentile_ms(99)} ms, "
                 f"{cost.accepted} of {len(cost.seconds)} planned")  # fmt: skip

    note("h16", chunk_cost(panda_bench(card, 16), count))
    slow, fast = (chunk_cost(panda_bench(card, 50, step_period=period), count) for period in (None, 0.04))
    note("h50", max(slow, fast, key=lambda cost: cost.percentile_ms(99)))
    note("h16_hostile_tenth", chunk_cost(panda_bench(card, 16), count, hostile=0.1))
    figures["growth"] = []
    for joints in (6, 7, 14):
        for horizon in HORIZONS:
            cost = chunk_cost(panda_bench(card, horizon, joints=joints), growth_count)
            figures["growth"].append(
                {
                    "joints": joints,
                    "horizon": horizon,
                    "p50_ms": cost.percentile_ms(50),
                    "p99_ms": cost.percentile_ms(99),
                }
            )
            progress(f"{joints} joints, {horizon} steps: {cost.percentile_ms(50)} ms")
    return figures


def growth_table(figures: dict) -> str:
    """Markdown of ``growth``: a row for each number of joints, a column for each horizon, median (99th percentile) [ms]."""
    lines = ["| joints | " + " | ".join(f"{h} steps" for h in HORIZONS) + " |", "|--:|" + "--:|" * len(HORIZONS)]
    for joints in sorted({entry["joints"] for entry in figures["growth"]}):
        cells = [
            f"{entry['p50_ms']:.1f} ({entry['p99_ms']:.1f})" for entry in figures["growth"] if entry["joints"] == joints
        ]
        lines.append(f"| {joints} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(figures: dict) -> str:
    """The page docs/figures/planning_cost.md."""
    machine = describe_machine()
    return "\n".join(
        [
            "# What a chunk costs",
            "",
            "Written by `vla bench --only cost`; do not edit.",
            f"Measured on {datetime.date.today().isoformat()} on {machine['cores']} cores of {machine['processor']}, "
            f"{machine['memory_gib']} GiB, Python {machine['python']}, load {machine['load_before']} before.",
            "",
            "Wall time of `on_chunk` in one process: everything from the refusals to the trajectory message's arrays, with "
            "collision checks. EE_DELTA chunks of the Panda's card, the arm moving, a chunk every fourth step, 50 to 150 ms "
            "late. In brackets: processor time, which other work on the machine does not lengthen.",
            "",
            "| chunk | median | 99th percentile |",
            "|---|--:|--:|",
            *(
                f"| {words} | {figures[f'{name}_p50_ms']:.1f} ms ({figures[f'{name}_cpu_p50_ms']:.1f}) "
                f"| {figures[f'{name}_p99_ms']:.1f} ms ({figures[f'{name}_cpu_p99_ms']:.1f}) |"
                for name, words in (
                    ("h16", "16 steps"),
                    ("h50", "50 steps, all within the open-loop limit"),
                    ("h16_hostile_tenth", "16 steps, a tenth of the chunks hostile"),
                )
            ),
            "",
            "How it grows: median (99th percentile) [ms]. Six joints: the third one locked. Fourteen: two arms in one chunk.",
            "",
            growth_table(figures),
            "",
        ]
    )
