"""The figures of a replay as tables for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from vla_contract.printing import printable
from vla_evidence.figures.replay import ComparisonFigures, FaultFigures, PolicyFigures, RecordedFigures, ReplayedFigures


def show(figures: ReplayedFigures, console: Console) -> None:
    """Prints what was found, policy by policy."""
    found = figures.observations
    console.print(
        f"{figures.bag}: {figures.seconds:.1f} s in {figures.wall_seconds:.1f} s "
        f"({figures.realtime_factor or 0:.1f} times real time), card {figures.card}"
        + (", cut short" if figures.truncated else ""),
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    console.print(
        f"observations: {found.rebuilt} of {found.chunks} chunks rebuilt; state equal to the bit in "
        f"{found.state_equal}, different in {found.state_different}", markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    if found.absent:
        counts = ", ".join(f"{count} of {what}" for what, count in found.absent.items())
        first = found.named[0]
        console.print(
            f"absent from the bag: {counts}; the first: {first.what} at {first.stamp_ns} ns (chunk {first.sequence})",
            markup=False, highlight=False, soft_wrap=True, style="yellow",
        )  # fmt: skip
    if found.no_instruction:
        console.print(
            f"{found.no_instruction} observations without an instruction, and not inferred on: give --instruction",
            style="yellow", markup=False, soft_wrap=True,
        )  # fmt: skip
    for what in figures.missing_topics:
        console.print(printable(f"not in the bag: {what}"), style="yellow", markup=False, soft_wrap=True)
    for name, policy in figures.policies.items():
        _errors(f"{name} ({policy.head or policy.policy}) against the recorded chunks", policy.against_recorded, console)
        for words, count in policy.failed.items():
            console.print(printable(f"{name} failed {count} times: {words}"), style="red", markup=False, soft_wrap=True)
        _errors(f"{name} against what the arm did", policy.against_executed, console)
    if not figures.policies:
        _errors("recorded chunks against what the arm did", figures.recorded.against_executed, console)
    for title, row in (("between the two policies", figures.between), ("recorded shadow", figures.shadow)):
        if row:
            _errors(title, row, console)
    if figures.faults:
        _faults(figures.faults, console)
    _motion(figures, console)


def _errors(title: str, row: ComparisonFigures, console: Console) -> None:
    if not row.columns:
        return
    title = f"{title}: {row.chunks} chunks, {row.equal_chunks} equal to the bit"
    table = Table(title=title, title_justify="left", min_width=60)
    for heading in ("dimension", "mean abs", "p95", "max", "unit"):
        table.add_column(heading, justify="left" if heading in ("dimension", "unit") else "right")
    for name, column in row.columns.items():
        table.add_row(name, *(_number(getattr(column, key)) for key in ("mean_abs", "p95", "max")), column.unit)
    console.print(table)
    broken = [f"{name} {column.not_finite} times" for name, column in row.columns.items() if column.not_finite]
    if broken:
        console.print(
            f"  not finite, and left out above: {', '.join(broken)}", style="red", markup=False, highlight=False, soft_wrap=True
        )
    parts = [
        f"direction cosine of {group} {_number(cosine.mean)} (5th percentile {_number(cosine.p05)})"
        for group, cosine in row.cosine.items()
        if cosine.count
    ]
    parts += [f"{name} agrees in {share:.1%} of steps" for name, share in row.gripper_accuracy.items()]
    if parts:
        console.print("  " + "; ".join(parts), markup=False, highlight=False, soft_wrap=True)


def _faults(row: FaultFigures, console: Console) -> None:
    done = ", ".join(f"{count} {what}" for what, count in row.done.items()) or "nothing"
    refused = ", ".join(f"{count} {kind}" for kind, count in row.refused.items()) or "none"
    console.print(
        f"faults: {done}; of {row.decisions} observations refused: {refused}; no newer one: {row.repeated}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def _motion(figures: ReplayedFigures, console: Console) -> None:
    sides = {"recorded": figures.recorded, **figures.policies}
    table = Table("", *sides, title="motion and controller", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    columns = [_motion_column(side) for side in sides.values()]
    for row in columns[0]:
        table.add_row(row, *(column[row] for column in columns))
    console.print(table)
    agreement = figures.recorded.controller_agreement
    if agreement and agreement.chunks:
        console.print(
            f"  offline the controller closed {agreement.equal} of {agreement.chunks} recorded chunks as it did then; "
            f"steps clamped {agreement.clamped_here}, recorded {agreement.clamped_recorded} "
            f"of {agreement.executed_recorded} executed", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def _motion_column(side: RecordedFigures | PolicyFigures) -> dict[str, str]:
    jump, controller, latency = side.jumps.get("jump"), side.controller, side.latency_ms
    row = {
        "jump max": _number(jump.max if jump else None),
        "jump p95": _number(jump.p95 if jump else None),
        "jumps not finite": str(max((spread.not_finite for spread in side.jumps.values()), default=0)),
        "jerk RMS rad/s^3": _number(controller.rms_jerk if controller else None),
        "steps clamped": _share(controller.clamped_share if controller else None),
        "clamped by": "-", "chunks refused": "-", "limit violations": "-",
        "inference ms p50, p99": f"{latency.p50:.1f}, {latency.p99:.1f}" if latency.count else "-",
    }  # fmt: skip
    if controller:
        row["clamped by"] = _counts(controller.clamped_by)
        row["chunks refused"] = _counts(controller.refused)
        row["limit violations"] = str(controller.violations)
        if controller.steps_unjudged:
            row["limit violations"] += f" ({controller.steps_unjudged} steps not judged)"
    return row


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
