"""Chunks that must not be executed: one function for each fault. They leave the graph as they found it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from vla_bench.faults.bench import FaultBench, Row
from vla_contract.chunk import ActionChunk
from vla_contract.report import Phase, Verdict
from vla_contract.ros.convert import chunk_to_msg


def _bad_chunks(bench: FaultBench, fault: str, alter, verdict: Verdict) -> Row:
    """From an instant on every chunk is bad: each is refused by name, and the arm ends at rest on the last good one."""
    bench.begin()
    stream = bench.moving_stream()
    at = time.monotonic_ns()
    first_bad = stream.sequence
    stream.alter = alter
    time.sleep(0.6)
    stream.stop()
    row = bench.judge(fault, at, verdict=verdict)
    row.first_braking_ms, row.allowed_ms = bench.last_step_ms(at), bench.open_loop_ms
    if row.first_braking_ms is None or row.first_braking_ms > row.allowed_ms:
        row.problems.append(f"the stop began after {row.first_braking_ms} ms")
    bad = {r.sequence for _, r in bench.heard.reports if r.verdict is Verdict.ACCEPTED and r.sequence > first_bad}
    if bad:
        row.problems.append(f"{len(bad)} bad chunks were accepted")
    return row


def nan_chunk(bench: FaultBench) -> Row:
    """One value of a chunk is not a number."""

    def alter(chunk: ActionChunk) -> ActionChunk:
        actions = np.array(chunk.actions)
        actions[3, 1] = np.nan
        return replace(chunk, actions=actions)

    return _bad_chunks(bench, "NaN chunk", alter, Verdict.NOT_FINITE)


def permuted_names(bench: FaultBench) -> Row:
    """x and y are swapped, names with them."""
    return _bad_chunks(
        bench, "permuted names", lambda c: replace(c, names=(c.names[1], c.names[0], *c.names[2:])), Verdict.NAMES
    )


def wrong_card(bench: FaultBench) -> Row:
    """Chunks carry the hash of another card."""
    return _bad_chunks(bench, "wrong card: chunks", lambda c: replace(c, card_hash="0" * 16), Verdict.CARD_MISMATCH)


def replayed_run(bench: FaultBench) -> Row:
    """Chunks of an earlier run come again into the present one, as they were and with new stamps."""
    bench.begin()
    old = bench.new_stream()
    old.start()
    bench.wait_moving()
    old.stop()
    bench.wait_rest()
    stream = bench.moving_stream()
    at = time.monotonic_ns()
    replayed = list(old.sent)
    for chunk in replayed:
        bench.publish(chunk_to_msg(chunk))
        bench.publish(chunk_to_msg(replace(chunk, stamp_ns=bench.clock_ns() - 30_000_000)))
        time.sleep(0.02)
    time.sleep(0.3)
    stream.stop()
    row = bench.judge("replayed old run", at, verdict=Verdict.OLD_RUN)
    seen = [r for t, r in bench.heard.reports if t >= at and r.run_id == old.run_id and r.phase is Phase.CLOSED]
    refused = [r for r in seen if r.verdict is Verdict.OLD_RUN]
    if len(refused) < 2 * len(replayed):
        row.problems.append(f"{len(refused)} of {2 * len(replayed)} replayed chunks refused as OLD_RUN")
    if not any(r.run_id == stream.run_id and r.verdict is Verdict.ACCEPTED for t, r in bench.heard.reports if t > at):
        row.problems.append("the present run was not followed any more")
    row.notes["replayed"] = 2 * len(replayed)
    return row


def flood(bench: FaultBench, rate: float = 500.0, seconds: float = 2.0) -> Row:
    """Chunks come fifty times as fast as a policy makes them; each is reported, none twice."""
    bench.begin()
    stream = bench.new_stream()
    stream.prepare()
    stream.start()
    bench.wait_moving()
    stream.stop()
    first = stream.sequence
    at = time.monotonic_ns()
    due = time.monotonic()
    for _ in range(int(rate * seconds)):
        stream.send_prepared()
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    took = (time.monotonic_ns() - at) * 1e-9
    row = bench.judge("500 chunks a second", at, verdict=Verdict.SUPERSEDED)
    counted = len(bench.heard.raw_reports), time.monotonic()
    while time.monotonic() - counted[1] < 1.0:  # LOST is told after half a second
        if len(bench.heard.raw_reports) > counted[0]:
            counted = len(bench.heard.raw_reports), time.monotonic()
        time.sleep(0.05)
    status = bench.client.controller_status
    closed: dict[int, int] = {}
    scheduled: dict[int, int] = {}
    for _, report in bench.heard.reports:
        if report.run_id == stream.run_id and report.sequence >= first:
            count = closed if report.phase is Phase.CLOSED else scheduled
            count[report.sequence] = count.get(report.sequence, 0) + 1
    wanted = set(range(first, stream.sequence))
    missing, twice = wanted - set(closed), [s for s, n in closed.items() if n > 1]
    verdicts = [r.verdict.name for _, r in bench.heard.reports if r.phase is Phase.CLOSED and r.sequence >= first]
    row.notes = {
        "sent": len(wanted), "seconds": round(took, 2), "verdicts": {v: verdicts.count(v) for v in sorted(set(verdicts))},
        "controller_counts": {"received": status.chunks_received, "lost": status.chunks_lost},
    }  # fmt: skip
    if missing or twice:
        row.problems.append(f"{len(missing)} of {len(wanted)} chunks neither closed nor told LOST, {len(twice)} closed twice")
    if took > 1.5 * seconds:
        row.problems.append(f"the flood was too slow to count: {len(wanted) / took:.0f} chunks a second")
    return row


# Inputs that fail.
