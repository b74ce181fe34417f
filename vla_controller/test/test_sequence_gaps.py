"""A gap in the sequence is reported, and never as a flood: a stop waits behind what one call publishes."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cells import MS, RUN, Rig, make_card, make_chunk, straight

from vla_contract.report import Verdict
from vla_controller.intake.admission import Admission

MOST = 50  # of one gap are reported one by one
AT_ONCE = 32
LATE = 500 * MS


@pytest.fixture
def admission():
    return Admission(make_card())


def register(admission, *sequences, now_ns=0, run_id=RUN, early=False):
    for sequence in sequences:
        chunk = SimpleNamespace(run_id=run_id, sequence=sequence, horizon=1, stamp_ns=0)
        admission.register(chunk, now_ns, may_begin_run=not early)


def reported(admission, now_ns=LATE):
    """(sequence, how many more it stands for) of all that is lost by now, each call checked for its size."""
    reports = []
    while lost := admission.lost(now_ns):
        assert len(lost) <= AT_ONCE
        assert {run for run, *_ in lost} == {RUN}
        reports += [(sequence, others) for _, sequence, others in lost]
    return reports


def test_a_short_gap_is_reported_one_by_one(admission):
    register(admission, 0, MOST + 1)
    assert admission.lost(LATE - 1) == []
    assert reported(admission) == [(sequence, 0) for sequence in range(1, MOST + 1)]


@pytest.mark.parametrize("missing", [MOST + 1, 99, 4_000_000_000])
def test_the_rest_of_a_long_gap_is_reported_as_one_with_its_count(admission, missing):
    register(admission, 0, missing + 1)
    rest = missing - MOST
    assert reported(admission) == [(rest, rest - 1), *((sequence, 0) for sequence in range(rest + 1, missing + 1))]
    assert reported(admission, 10 * LATE) == []


def test_chunks_that_come_late_are_not_lost(admission):
    register(admission, 0, 1000)
    register(admission, 949, 7, 970, 5000, now_ns=100 * MS)
    reports = dict(reported(admission, LATE))
    assert 970 not in reports and 949 not in reports
    assert reports[948] == 946  # 1 to 948 without 7, itself not counted
    assert sum(1 + more for more in reports.values()) == 999 - 3


def test_a_rest_that_came_after_all_is_not_reported(admission):
    register(admission, 0, MOST + 3)
    register(admission, 2, 1, now_ns=MS)
    assert reported(admission) == [(sequence, 0) for sequence in range(3, MOST + 3)]


def test_chunks_refused_before_their_run_began_are_not_lost(admission):
    register(admission, 3, 950, 949, 990, early=True)
    register(admission, 1000)
    reports = dict(reported(admission))
    assert not {3, 949, 950, 990} & set(reports)
    assert reports[948] == 947  # 0 to 948 without 3, itself not counted
    assert sum(1 + more for more in reports.values()) == 1000 - 4


def test_a_clock_that_jumps_puts_all_of_it_off(admission):
    register(admission, 0, 1000)
    admission.clock_jumped(10 * LATE)
    assert admission.lost(11 * LATE - 1) == []
    assert sum(1 + more for _, more in reported(admission, 11 * LATE)) == 999


def test_gap_upon_gap_does_not_pile_up(admission):
    for number in range(1, 1000):
        register(admission, number * 1000, now_ns=number * MS // 10)
    reports = reported(admission, 10 * LATE)
    assert len(reports) < 2000
    assert sum(1 + more for _, more in reports) == 999 * 1000 - 998


def test_what_one_call_of_the_controller_reports_of_a_gap_stays_small():
    rig = Rig()
    rig.send(straight(), 0)
    rig.send(straight(), 1000)
    sizes = []
    for _ in range(100):
        before = len(rig.reports)
        rig.run(10)
        sizes.append(sum(report.verdict is Verdict.LOST for report in rig.reports[before:]))
    assert max(sizes) == AT_ONCE and sum(sizes) == MOST + 1


def phases(rig, sequence):
    return [(report.phase.name, report.verdict.name) for report in rig.reports if report.sequence == sequence]


@pytest.mark.parametrize("way", ["chunk", "malformed", "another card"])
def test_what_was_told_lost_and_arrives_is_late_and_not_closed_again(way):
    rig = Rig()
    rig.send(straight(), 0)
    rig.run(100)
    rig.send(straight(), 2)
    rig.run(600)
    counts = dict(vars(rig.controller.snapshot(rig.now).counts))
    assert phases(rig, 1) == [("CLOSED", "LOST")] and counts["chunks_lost"] == 1
    before = rig.tool(rig.now + 300 * MS)
    late = make_chunk(rig.card, straight((0.0, 0.2, 0.0)), rig.now - 400 * MS, 1)
    if way == "malformed":
        rig.take(rig.controller.on_malformed(late, "no chunk", rig.now))
    else:
        late = replace(late, card_hash="x") if way == "another card" else late
        rig.take(rig.controller.on_chunk(late, rig.now))
    assert phases(rig, 1) == [("CLOSED", "LOST"), ("SCHEDULED", "LATE")]
    assert "sequence 1 arrived after it was told LOST" in rig.reports[-1].message
    assert vars(rig.controller.snapshot(rig.now).counts) == counts, "it is counted already"
    rig.run(50)
    assert np.array_equal(rig.tool(rig.now + 250 * MS), before), "and moves nothing"


@pytest.mark.parametrize("malformed", [False, True])
@pytest.mark.parametrize("missing", [1, MOST + 9])
def test_what_arrives_in_the_very_call_in_which_it_would_be_lost_is_not(malformed, missing):
    rig = Rig()
    rig.send(straight(), 0)
    rig.run(100)
    rig.send(straight(), missing + 1)
    at = rig.now
    rig.run(490)
    assert phases(rig, 1) == []
    late = make_chunk(rig.card, straight((0.0, 0.2, 0.0)), rig.now - 400 * MS, 1)
    rig.now = at + LATE + 5 * MS
    before = len(rig.reports)
    rig.take(rig.controller.on_malformed(late, "no chunk", rig.now) if malformed else rig.controller.on_chunk(late, rig.now))
    verdict = "SHAPE" if malformed else "OUT_OF_ORDER"
    assert phases(rig, 1) == [("SCHEDULED", verdict), ("CLOSED", verdict)]
    lost = [report for report in rig.reports[before:] if report.verdict is Verdict.LOST]
    assert len(lost) == min(missing - 1, AT_ONCE)


@pytest.mark.parametrize(("sequence", "verdict"), [(3, "LATE"), (948, "LATE"), (7, "OUT_OF_ORDER"), (960, "LATE"), (1001, "")])
def test_of_those_that_were_told_as_one_each_is_late(admission, sequence, verdict):
    register(admission, 0, 1000)
    register(admission, 7, now_ns=MS)
    reported(admission)
    refusal = admission.check_lost(RUN, sequence) or admission.check_order(SimpleNamespace(run_id=RUN, sequence=sequence))
    assert (refusal.verdict.name if refusal else "") == verdict
    assert admission.check_lost("b" * 32, sequence) is None


def test_one_that_comes_just_before_it_would_be_told_is_only_out_of_order(admission):
    register(admission, 0, 2)
    assert admission.lost(LATE - 1) == [] and admission.check_lost(RUN, 1) is None
    register(admission, 1, now_ns=LATE - 1)
    assert admission.lost(10 * LATE) == [] and admission.check_lost(RUN, 1) is None
