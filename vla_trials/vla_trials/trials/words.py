"""Figures of trials in words."""

from __future__ import annotations

from vla_trials.lockstep.stitching import DEFAULT_STRATEGY


def describe(figures: dict) -> list[str]:
    """Lines for the terminal, from what `evaluate` gives. Success never stands without the share of steps clamped."""
    where = [words for words in (figures["split"], figures["perturbation"]) if words]
    where += [f"setup '{figures['setup']}'"] if figures["setup"] != "standard" else []
    if figures["strategy"] != DEFAULT_STRATEGY or figures["committed_steps"]:
        where.append(f"strategy {figures['strategy']} with {figures['committed_steps']} committed steps")
    lines = [f"{figures['policy']}{' on ' + ', '.join(where) if where else ''}:"]
    for task, one in figures["tasks"].items():
        lines.append(f"  {task}: {_success(one)}")
    if len(figures["tasks"]) > 1:
        lines.append(f"  all: {_success(figures)}")
    grounding, action, latency = figures["grounding"], figures["action"], figures["latency"]
    apart = [f"first touch is the named object in {_share(grounding)}"]
    if grounding["nothing_touched"]:
        apart[-1] += f" ({grounding['nothing_touched']} touched nothing)"
    if action["action_error_mm"] is not None:
        off = f"{action['action_error_mm']:.2f} mm and {action['action_error_deg']:.2f} deg an axis"
        apart.append(f"first step off the expert's by {off}")
    if latency["p50_ms"] is not None:
        apart.append(f"latency {latency['p50_ms']:.0f} ms (injected)")
    if figures["recovery"]["of"]:
        apart.append(f"recovered from a push in {_share(figures['recovery'])}")
    if figures["labels"]:
        apart.append("failures: " + ", ".join(f"{count} {label}" for label, count in figures["labels"].items()))
    if figures["blind_frames"]:
        apart.append(f"{figures['blind_frames']} decisions put off for an image held back")
    lines.append("  " + "; ".join(apart))
    lines.append("  " + _timing(figures))
    suites = figures.get("suites", {})
    if len(suites) > 1:
        lines.append(f"  run by {len(suites)} versions of the suite: " + ", ".join(f"{n} by {s}" for s, n in suites.items()))
    failed = [f"{row['task']} {row['seed']}" for row in figures["rows"] if row["success"] is False]
    if failed:
        lines.append(f"  failed: {', '.join(failed)}")
    return lines


def _timing(figures: dict) -> str:
    speed = f"{figures['realtime_factor']:.1f} times real time"
    if figures["resumed"] == figures["trials"]:
        return f"all {figures['resumed']} trials were there already"
    return f"{figures['resumed']} trials were there already, the others ran at {speed}" if figures["resumed"] else speed


def _success(figures: dict) -> str:
    known = figures["trials"] - figures["unknown"]
    words = "no known outcome"
    if known:
        low, high = figures["interval"]
        words = f"{figures['successes']}/{known} = {figures['rate']:.0%} (95 % {low:.0%} to {high:.0%})"
    unknown = f", {figures['unknown']} of unknown outcome not counted" if figures["unknown"] else ""
    return f"{words}{unknown}, {figures['clamped_share']:.1%} of steps clamped{_refused(figures)}"


def _refused(figures: dict) -> str:
    """Of chunks that the controller did not run: nothing of them shows in the share of steps."""
    refused = {verdict: count for verdict, count in figures["refused_chunks"].items() if count}
    if not refused:
        return ""
    why = ", ".join(f"{count} {verdict}" for verdict, count in sorted(refused.items(), key=lambda one: (-one[1], one[0])))
    chunks = sum(refused.values())
    return f", {chunks} chunk{'s' if chunks != 1 else ''} refused: {why}"


def _share(figures: dict) -> str:
    if not figures["of"]:
        return "none"
    low, high = figures["interval"]
    return f"{figures['hits']}/{figures['of']} (95 % {low:.0%} to {high:.0%})"
