"""How soon a stop is one: vla/stop pressed again and again while the arm moves."""

from __future__ import annotations

import time

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_contract.report import Verdict
from vla_contract.status import ControllerState

STOP_MS = 20.0
"""The latest first braking setpoint after a stop [ms]."""


def stops(bench: FaultBench, repeats: int, times: list[float], allowed_ms: float = STOP_MS, *, stream: bool) -> Row:
    """Stops at random moments. stream: chunks go on at 10 Hz meanwhile; else the arm is on one chunk.

    Appends to times those from the request to the first braking setpoint [ms]. Returns a row of the slowest one.
    """
    rng = np.random.default_rng(11)
    own, worst, problems, late, rest = [], None, [], [], 0.0
    for _ in range(repeats):
        bench.begin()
        chunks = bench.new_stream()
        if stream:
            chunks.start()
        else:
            chunks.send()
        bench.wait_moving()
        time.sleep(float(rng.uniform(0.0, 0.25)))
        at = bench.press_stop()
        time.sleep(0.15)
        chunks.stop()
        row = bench.judge(
            "stop pressed", at, state=ControllerState.STOPPED, verdict=Verdict.STOPPED if stream else None,
            braking_ms=bench.braking_ms(at),
        )  # fmt: skip
        problems += row.problems
        late += row.late
        rest = max(rest, row.to_rest_ms)
        if row.first_braking_ms is None:
            problems.append("no brake came")
        else:
            own.append(row.first_braking_ms)
        if worst is None or (row.first_braking_ms or np.inf) > (worst.first_braking_ms or np.inf):
            worst = row
        bench.call("resume")
    worst.fault = f"stop pressed: {repeats} times, {'chunks at 10 Hz' if stream else 'on one chunk'}"
    worst.problems, worst.late, worst.to_rest_ms = problems, late, rest
    worst.notes, worst.allowed_ms = summary(own), allowed_ms
    if own and worst.notes["p95_ms"] > allowed_ms:
        problems.append(f"the first braking setpoint comes after {worst.notes}, the 95th percentile may be {allowed_ms:g} ms")
    times += own
    return worst


def summary(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum [ms]."""
    if not times:
        return {"count": 0}
    p50, p95 = np.percentile(times, [50, 95])
    return {
        "count": len(times), "p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "max_ms": round(max(times), 2)
    }  # fmt: skip
