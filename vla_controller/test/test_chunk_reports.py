"""Every chunk received is reported SCHEDULED once and CLOSED once, and the steps add up."""

from collections import Counter

import numpy as np
import pytest
from cells import MS, Rig, make_card, straight

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState


@pytest.mark.parametrize("seed", range(3))
def test_each_chunk_is_closed_exactly_once(seed):
    rng = np.random.default_rng(seed)
    rig = Rig()
    sent, sequence = [], 0
    for _ in range(40):
        kind = rng.integers(8)
        actions, changes = straight(rng.normal(0, 0.05, 3)), {}
        stamp = rig.now - int(rng.integers(0, 250)) * MS
        if kind == 0:
            actions[3, 1] = np.nan
        elif kind == 1:
            changes["card_hash"] = "other"
        elif kind == 2:
            actions = np.empty((0, 7))
        elif kind == 3:
            rig.take(rig.controller.stop(rig.now))
        elif kind == 4:
            rig.take(rig.controller.resume(rig.now))
        elif kind == 5:
            stamp -= 1_700 * MS
        rig.send(actions, sequence, stamp_ns=stamp, **changes)
        sent.append(sequence)
        sequence += 1
        rig.run(int(rng.integers(0, 400)))
    rig.run(4000)
    for phase in Phase:
        assert Counter(r.sequence for r in rig.of_phase(phase)) == Counter(sent)
    counts = rig.controller.snapshot(rig.now).counts
    refused = sum(report.verdict not in (Verdict.ACCEPTED, Verdict.BRAKE) for report in rig.of_phase(Phase.SCHEDULED))
    assert (counts.chunks_received, counts.chunks_refused) == (len(sent), refused)
    assert counts.chunks_accepted == len(sent) - refused != refused
    for report in rig.of_phase(Phase.CLOSED):
        if report.verdict in (Verdict.ACCEPTED, Verdict.SUPERSEDED):
            assert report.steps_executed + report.steps_skipped + report.steps_superseded == 16
            assert (report.first_executed_ns > 0) == (report.steps_executed > 0)
            assert report.steps_clamped <= report.steps_executed


def test_scheduled_comes_at_once_and_closed_with_the_last_step(rig):
    out = rig.send(straight())
    (scheduled,) = out.reports
    assert scheduled.phase is Phase.SCHEDULED and scheduled.stamp_ns == rig.now
    np.testing.assert_allclose(scheduled.commanded_minus_measured, np.zeros(7), atol=1e-12)
    rig.run(1610)
    assert len(rig.of_phase(Phase.CLOSED)) == 0
    rig.run(20)
    (closed,) = rig.of_phase(Phase.CLOSED)
    assert (closed.verdict, closed.steps_executed, closed.steps_superseded) == (Verdict.ACCEPTED, 16, 0)
    assert closed.first_executed_ns == scheduled.step_stamps_ns[0]
    assert closed.last_executed_ns == scheduled.step_stamps_ns[-1]


def test_superseded_steps_are_counted(rig):
    rig.send(straight())
    rig.run(500)
    rig.send(straight(), 1)
    rig.run(30)
    (closed,) = rig.of_phase(Phase.CLOSED)
    # from rest the steps were due at 120, 220, 320, 420 and 520 ms; the splice is at 520 ms
    assert (closed.sequence, closed.steps_executed, closed.steps_superseded) == (0, 5, 11)
    assert "sequence 1" in closed.message


def test_superseded_before_its_first_step(rig):
    rig.send(straight())
    rig.run(20)
    rig.send(straight(), 1)
    rig.run(50)
    (closed,) = rig.of_phase(Phase.CLOSED)
    assert (closed.verdict, closed.steps_executed, closed.first_executed_ns) == (Verdict.SUPERSEDED, 0, 0)


def test_steps_that_were_past_are_skipped_and_not_executed(rig):
    rig.send(straight())
    rig.run(700)
    rig.send(straight((0.05, 0.0, 0.0)), 1, stamp_ns=rig.now - 250 * MS)
    rig.run(4000)
    first, second = rig.of_phase(Phase.CLOSED)
    assert (second.steps_executed, second.steps_skipped, second.steps_superseded) == (14, 2, 0)
    assert second.message == "" and "sequence 1" in first.message
    counts = rig.controller.snapshot(rig.now).counts
    assert (counts.steps_executed, counts.steps_skipped) == (first.steps_executed + 14, 2)
    assert counts.steps_superseded == first.steps_superseded == 16 - first.steps_executed


def test_gaps_are_reported_lost_once(rig):
    rig.send(straight(), 0)
    rig.send(straight(), 3)
    rig.run(1500)
    lost = [r for r in rig.reports if r.verdict is Verdict.LOST]
    assert [(r.sequence, r.phase) for r in lost] == [(1, Phase.CLOSED), (2, Phase.CLOSED)]
    assert rig.controller.snapshot(rig.now).counts.chunks_lost == 2


def test_a_late_chunk_is_out_of_order_and_not_lost_as_well(rig):
    rig.send(straight(), 0)
    rig.send(straight(), 2)
    rig.run(100)
    rig.send(straight(), 1)
    rig.run(2000)
    closed = Counter((r.sequence, r.verdict) for r in rig.of_phase(Phase.CLOSED))
    assert closed[1, Verdict.OUT_OF_ORDER] == 1 and closed[1, Verdict.LOST] == 0


def test_a_huge_gap_does_not_flood(rig):
    rig.send(straight(), 0)
    rig.send(straight(), 4_000_000_000)
    rig.run(1000)
    lost = [r for r in rig.reports if r.verdict is Verdict.LOST]
    assert [r.sequence for r in lost] == list(range(4_000_000_000 - 51, 4_000_000_000))
    assert "and 3999999948 more before it" in lost[0].message and "more" not in lost[1].message
    assert rig.controller.snapshot(rig.now).counts.chunks_lost == 51


def test_malformed_messages_are_reported(rig):
    from cells import make_chunk

    outline = make_chunk(rig.card, np.empty((0, 7)), rig.now, 7)
    rig.take(rig.controller.on_malformed(outline, "actions: 5 values, horizon 16 of 7 names needs 112", rig.now))
    assert [(r.phase, r.verdict, r.sequence) for r in rig.reports] == [
        (Phase.SCHEDULED, Verdict.SHAPE, 7),
        (Phase.CLOSED, Verdict.SHAPE, 7),
    ]
    assert "112" in rig.reports[0].message


def test_dry_run_reports_and_commands_nothing():
    rig = Rig(make_card(), dry_run=True)
    rig.follow = False
    for sequence in range(3):
        rig.send(straight(), sequence)
        rig.run(400)
    rig.run(3000)
    assert rig.trajectories == [] and len(rig.of_phase(Phase.CLOSED)) == 3
    # the arm does not move, so each chunk is planned from where it stands
    assert all(r.message.startswith("starts from rest") for r in rig.of_phase(Phase.SCHEDULED))
    assert rig.output.status is ControllerState.IDLE
