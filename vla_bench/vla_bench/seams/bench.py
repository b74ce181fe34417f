"""Seams, smoothness and fidelity of the strategies, side by side with the baseline; the table and the image."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vla_bench.machine import describe_machine
from vla_bench.rig.motion import POSITION_NOISE, ROTATION_NOISE, NoisyPlanner, Reaches
from vla_bench.rig.panda import panda_bench
from vla_bench.rig.run import MS, Executed, SeamRun, run_seams, with_rule
from vla_bench.seams.baseline import CLEARANCE_NS, cubic_baseline
from vla_bench.seams.figures import endpoint_slip, fidelity, rms_jerk, seam_steps, times_of, tool_positions
from vla_contract.card import InterfaceCard
from vla_evidence.fitted_table import FittedTable
from vla_motion.model import RobotModel

STRATEGIES = ("receding_horizon", "temporal_ensemble", "committed_prefix")
RULES = ("legacy", "splice")
DELAY_MS = (0, 300)
_COLUMNS = (  # key, heading, unit, format
    ("position_rad", "step in position", "rad", "{:.0e}"),
    ("velocity_rad_s", "step in velocity", "rad/s", "{:.0e}"),
    ("acceleration_ratio", "acceleration step / jerk limit", "", "{:.2f}"),
    ("jerk_rad_s3", "RMS jerk, joints", "rad/s³", "{:.1f}"),
    ("jerk_ratio", "of the baseline's", "", "{:.3f}"),
    ("tool_jerk_ratio", "the same, tool", "", "{:.3f}"),
    ("tool_error_mm_p95", "tool error p95", "mm", "{:.2f}"),
    ("tool_rotation_deg_p95", "rotation p95", "deg", "{:.2f}"),
    ("tool_lag_ms_p95", "lag p95", "ms", "{:.1f}"),
)


def bench_run(
    card: InterfaceCard, model: RobotModel, *, rule: str = "legacy", strategy: str = "receding_horizon",
    changes: int = 1000, seed: int = 0, noise: float = 1.0,
) -> SeamRun:  # fmt: skip
    """Noisy reaches through one strategy and rule. noise: times POSITION_NOISE and ROTATION_NOISE."""
    T_home = model.forward(np.array(card.arms[0].home))
    planner = NoisyPlanner(
        Reaches(np.random.default_rng([seed, 1]), T_home),
        np.random.default_rng([seed, 2]),
        card.action.step_period,
        noise * POSITION_NOISE,
        noise * ROTATION_NOISE,
    )
    return run_seams(
        with_rule(card, rule), model, planner,
        changes=changes, rng=np.random.default_rng([seed, 0]), strategy=strategy, delay_ms=DELAY_MS,
    )  # fmt: skip


def _row(run: SeamRun, executed: Executed, name: str, against: Executed | None) -> dict:
    """Figures of one executed motion; ratios of its jerk to ``against``."""
    times = times_of(run)
    q = executed.sample(times)[0]
    dt = float(times[1] - times[0]) * 1e-9
    row = {
        "strategy": name, "rule": run.rule, "changes": len(executed.begins_ns) - 1,
        **seam_steps(run, executed), "jerk_rad_s3": rms_jerk(q, dt), **fidelity(run, executed),
    }  # fmt: skip
    if against is not None:
        other = against.sample(times)[0]
        row["jerk_ratio"] = row["jerk_rad_s3"] / rms_jerk(other, dt)
        row["tool_jerk_ratio"] = rms_jerk(tool_positions(run.model, q), dt) / rms_jerk(
            tool_positions(run.model, other), dt
        )
    return row


def measure(
    card: InterfaceCard, changes: int = 1000, *, seed: int = 0, docs: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict:  # fmt: skip
    """The figures of ``controller.seam``, with a row for each strategy and rule and two for the baseline.

    Steps are the worst of all rows of ours; ratios and fidelity the worse of both rules under the default strategy, ratios
    the worse of joints and tool. jerk_ratio_to_baseline: against the same points joined by cubics and replaced on arrival.
    jerk_ratio_to_kind_baseline: against one that also leaves out points due within 50 ms, which spares it most of its leaps.
    docs: folder that gets strategies.md and strategies.png; None writes nothing.
    """
    model = panda_bench(card, card.action.horizon).models[0]
    rows: list[dict] = []
    baselines: list[dict] = []
    ratios: list[float] = []
    for strategy in STRATEGIES:
        for rule in RULES:
            run = bench_run(card, model, rule=rule, strategy=strategy, changes=changes, seed=seed)
            kind = cubic_baseline(run)
            row = _row(run, run.executed(), strategy, kind)
            row["verdicts"], row["clamped"], row["steps"] = run.verdicts, run.clamped, run.steps
            if strategy == STRATEGIES[0]:
                row["endpoint"] = endpoint_slip(run)
                plain = cubic_baseline(run, clearance_ns=0)
                against = _row(run, run.executed(), strategy, plain)
                ratios += [against["jerk_ratio"], against["tool_jerk_ratio"]]
                if rule == RULES[0]:
                    shown = run
                    baselines.append(_row(run, kind, "cubics on arrival, 50 ms of clearance", kind))
                    baselines.append(_row(run, plain, "cubics on arrival, every point not yet due", kind))
            rows.append(row)
            progress(f"{strategy}, {rule}: {row['changes']} changes, jerk {row['jerk_ratio']:.3f} of the baseline's, "
                     f"tool error {row['tool_error_mm_p95']:.2f} mm")  # fmt: skip
    default = [row for row in rows if row["strategy"] == STRATEGIES[0]]
    figures = {
        "position_rad": max(row["position_rad"] for row in rows),
        "velocity_rad_s": max(row["velocity_rad_s"] for row in rows),
        "acceleration_ratio": max(row["acceleration_ratio"] for row in rows),
        "jerk_ratio_to_baseline": max(ratios),
        "jerk_ratio_to_kind_baseline": max(max(row["jerk_ratio"], row["tool_jerk_ratio"]) for row in default),
        "tool_error_mm_p95": max(row["tool_error_mm_p95"] for row in default),
        "tool_rotation_deg_p95": max(row["tool_rotation_deg_p95"] for row in default),
        "tool_lag_ms_p95": max(row["tool_lag_ms_p95"] for row in default),
        "changes": min(row["changes"] for row in rows),
        "rows": rows,
        "baselines": baselines,
    }
    if docs is not None:
        from vla_bench.seams.plot import plot_seams

        docs.mkdir(parents=True, exist_ok=True)
        (docs / "strategies.md").write_text(markdown(figures))
        plot_seams(shown, cubic_baseline(shown), docs / "strategies.png")
    return figures


def _cells(row: dict) -> list[str]:
    return [form.format(row[key]) if key in row else "" for key, _, _, form in _COLUMNS]


def _headings() -> list[str]:
    return [f"{name} [{unit}]" if unit else name for _, name, unit, _ in _COLUMNS]


def table(figures: dict) -> FittedTable:
    """For the terminal."""
    shown = FittedTable("Strategies side by side")
    shown.add_column("strategy")
    shown.add_column("rule")
    for rank, heading in enumerate(_headings()):
        shown.add_column(heading, right=True, rank=rank)
    for row in figures["rows"]:
        shown.add_row(row["strategy"], row["rule"], *_cells(row))
    shown.add_section()
    for row in figures["baselines"]:
        shown.add_row(row["strategy"], "", *_cells(row))
    return shown


def markdown(figures: dict) -> str:
    """The page docs/figures/strategies.md: how it was measured, where and when, and the table."""
    machine = describe_machine()
    lines = [
        "# Strategies side by side",
        "",
        "Written by `vla bench --only controller`; do not edit.",
        f"Measured on {datetime.date.today().isoformat()} on {machine['cores']} cores of {machine['processor']}, "
        f"{machine['memory_gib']} GiB, Python {machine['python']}.",
        "",
        f"Each row: {figures['changes']} changes of chunk or more while the Panda reaches from pose to pose over the table "
        "(minimum-jerk in time, up to 0.4 m/s). Every fourth step a planner looks at the commanded pose and sends 16 steps of "
        f"EE_DELTA back to the path and along it, with white noise of {POSITION_NOISE * 1e3:.1f} mm and "
        f"{np.degrees(ROTATION_NOISE):.1f} degree on each axis of each step, about twice the roughness of the shipped policy's "
        f"chunks. It arrives {DELAY_MS[0]} to {DELAY_MS[1]} ms after its observation, uniformly.",
        "",
        "| strategy | rule | " + " | ".join(_headings()) + " |",
        "|---|---|" + "--:|" * len(_COLUMNS),
    ]
    for row in figures["rows"]:
        lines.append(f"| {row['strategy']} | {row['rule']} | " + " | ".join(_cells(row)) + " |")
    for row in figures["baselines"]:
        lines.append(f"| *{row['strategy']}* | | " + " | ".join(_cells(row)) + " |")
    slips = ", ".join(
        f"{row['endpoint']['step_rad']:.1e} rad under {row['rule']}" for row in figures["rows"] if "endpoint" in row
    )
    lines += [
        "",
        "![The tool at the seams](strategies.png)",
        "",
        "How to read it",
        "",
        "- Steps: the difference between the old message and the new one at the instant when the new one rules (legacy: on "
        "arrival; splice: at its stamp). Both are sampled as the joint trajectory controller samples them.",
        "- Acceleration: its largest change from one millisecond to the next around the seams, over what the jerk limit "
        "allows in a millisecond; at most 1 inside the limits.",
        "- Jerk: RMS of the third difference at 100 Hz over all joints. The baseline gets the same targets, due at the same "
        "times, joined by cubics with finite-difference velocities, and replaces its trajectory on arrival; it goes on from its "
        f"own position and velocity and leaves out what is past. The column compares with the kinder of the two rows at the end, "
        f"which also leaves out points due within {CLEARANCE_NS // MS} ms; without that the baseline leaps to points only just "
        f"ahead, and ours has {figures['jerk_ratio_to_baseline']:.3f} of its jerk.",
        "- Tool error, rotation, lag: the executed tool against the request, which is the newest chunk's targets as sent, "
        "joined by a spline, from the splice on. At each change the request itself jumps by the noise of two chunks: that jump "
        "is part of the error. Lag: the shift in time that makes both agree best, over windows of 2 s. "
        "A strategy that averages chunks, or keeps to a prefix, is held to the newest chunk like the others.",
        f"- The joint trajectory controller's own part, not counted above: its largest departure from the messages in one period "
        f"of 1 ms is {slips}. Under splice it stands for one period at each change.",
    ]
    return "\n".join(lines) + "\n"
