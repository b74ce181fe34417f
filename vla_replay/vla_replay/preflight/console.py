"""A preflight on the terminal: findings by severity, one a line, and what was not checked."""

from __future__ import annotations

from vla_replay.preflight.finding import Severity
from vla_replay.preflight.preflight import Preflight


def as_text(result: Preflight) -> str:
    """What `vla card check` prints."""
    lines = []
    for severity in Severity:
        group = [finding for finding in result.findings if finding.severity is severity]
        if group:
            lines.append(f"{severity} ({len(group)})")
            lines += [f"  {finding}" for finding in group]
    over = f" over {result.seconds:.1f} s" if result.seconds else ""
    lines.append(f"{result.source}{over}: {result.errors} errors, {result.warnings} warnings")
    lines += [f"  not checked: {line}" for line in result.unchecked]
    return "\n".join(lines)
