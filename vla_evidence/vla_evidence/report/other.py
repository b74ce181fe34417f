"""Replay and preflight in short."""

from __future__ import annotations

import math

from vla_evidence.figures.preflight import PreflightFigures
from vla_evidence.figures.replay import (
    ColumnFigures,
    ComparisonFigures,
    ControllerFigures,
    PlayedFigures,
    PolicyFigures,
)
from vla_evidence.report.folder import RunFolder


def replay_section(run: RunFolder) -> dict | None:
    """None without replay.json."""
    replay = run.replay
    if replay is None:
        return None
    recorded, found, faults = replay.recorded, replay.observations, replay.faults
    return {
        "seconds": replay.seconds,
        "realtime_factor": replay.realtime_factor,
        "chunks": found.chunks,
        "rebuilt": found.rebuilt,
        "absent": found.absent,
        "state_equal": found.state_equal,
        "agreement": recorded.controller_agreement,
        "controller": _controller(recorded.controller),
        "policies": [_policy(name, policy) for name, policy in replay.policies.items()],
        "between": _comparison(replay.between),
        "shadow": _comparison(replay.shadow),
        "faults": faults.done if faults else {},
        "refused_share": faults.refused_share if faults else None,
        "scores": {name: score for name, score in replay.scores.items() if score is not None},
        "truncated": replay.truncated,
    }


def _policy(name: str, policy: PolicyFigures) -> dict:
    return {
        "name": name,
        "policy": policy.policy,
        "checkpoint_hash": policy.checkpoint_hash,
        **_comparison(policy.against_recorded),
        "latency_p50": policy.latency_ms.p50,
        "latency_p99": policy.latency_ms.p99,
        "failed": policy.failed,
        "controller": _controller(policy.controller),
    }


def _comparison(found: ComparisonFigures | None) -> dict | None:
    """Two sequences of chunks against each other; None where they were not compared."""
    if found is None:
        return None
    return {
        "chunks": found.chunks,
        "equal": found.equal_chunks,
        "columns": [_column(name, column) for name, column in found.columns.items()],
        "cosine": {group: cosine.mean for group, cosine in found.cosine.items()},
        "gripper": found.gripper_accuracy,
    }


def _column(name: str, column: ColumnFigures) -> dict:
    """Where a value was not finite the distances are not either, whatever those of the others are."""
    distances = {"mean_abs": column.mean_abs, "p95": column.p95, "max": column.max}
    if column.not_finite:
        distances = dict.fromkeys(distances, math.inf)
    return {"name": name, "unit": column.unit, **distances}


def _controller(found: ControllerFigures | None) -> dict | None:
    return None if found is None else {**vars(found), "worst": found.worst_violation}


def replay_graph_section(run: RunFolder) -> PlayedFigures | None:
    """What `vla replay --graph` played; None without replay_graph.json."""
    return run.replay_graph.graph if run.replay_graph else None


def preflight_section(run: RunFolder) -> PreflightFigures | None:
    """None without preflight.json."""
    return run.preflight
