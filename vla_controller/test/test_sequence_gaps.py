"""A gap in the sequence is told, and never as a flood: a stop waits behind what one call publishes."""

from types import SimpleNamespace

import pytest
from cells import MS, RUN, Rig, make_card, straight

from vla_contract.report import Verdict
from vla_controller.gate import Gate

MOST = 50  # of one gap are told one by one
AT_ONCE = 32
LATE = 500 * MS


@pytest.fixture
def gate():
    return Gate(make_card())


def register(gate, *sequences, now_ns=0, run_id=RUN, early=False):
    for sequence in sequences:
        gate.register(SimpleNamespace(run_id=run_id, sequence=sequence), now_ns, may_begin_run=not early)


def told(gate, now_ns=LATE):
    """(sequence, how many more it stands for) of all that is lost by now, each call checked for its size."""
    heard = []
    while keys := gate.lost(now_ns):
        assert len(keys) <= AT_ONCE
        assert {run for run, _ in keys} == {RUN}
        heard += [(sequence, gate.untold(RUN, sequence)) for _, sequence in keys]
    return heard


def test_a_short_gap_is_told_one_by_one(gate):
    register(gate, 0, MOST + 1)
    assert gate.lost(LATE - 1) == []
    assert told(gate) == [(sequence, 0) for sequence in range(1, MOST + 1)]


@pytest.mark.parametrize("missing", [MOST + 1, 99, 4_000_000_000])
def test_the_rest_of_a_long_gap_is_told_in_one_with_its_count(gate, missing):
    register(gate, 0, missing + 1)
    rest = missing - MOST
    assert told(gate) == [(rest, rest - 1), *((sequence, 0) for sequence in range(rest + 1, missing + 1))]
    assert told(gate, 10 * LATE) == []


def test_chunks_that_come_late_are_not_lost(gate):
    register(gate, 0, 1000)
    register(gate, 949, 7, 970, 5000, now_ns=100 * MS)
    heard = dict(told(gate, LATE))
    assert 970 not in heard and 949 not in heard
    assert heard[948] == 946  # 1 to 948 without 7, itself not counted
    assert sum(1 + more for more in heard.values()) == 999 - 3


def test_a_rest_that_came_after_all_is_not_told(gate):
    register(gate, 0, MOST + 3)
    register(gate, 2, 1, now_ns=MS)
    assert told(gate) == [(sequence, 0) for sequence in range(3, MOST + 3)]


def test_chunks_refused_before_their_run_began_are_not_lost(gate):
    register(gate, 3, 950, 949, 990, early=True)
    register(gate, 1000)
    heard = dict(told(gate))
    assert not {3, 949, 950, 990} & set(heard)
    assert heard[948] == 947  # 0 to 948 without 3, itself not counted
    assert sum(1 + more for more in heard.values()) == 1000 - 4


def test_a_clock_that_jumps_puts_all_of_it_off(gate):
    register(gate, 0, 1000)
    gate.clock_jumped(10 * LATE)
    assert gate.lost(11 * LATE - 1) == []
    assert sum(1 + more for _, more in told(gate, 11 * LATE)) == 999


def test_gap_upon_gap_does_not_pile_up(gate):
    for number in range(1, 1000):
        register(gate, number * 1000, now_ns=number * MS // 10)
    heard = told(gate, 10 * LATE)
    assert len(heard) < 2000
    assert sum(1 + more for _, more in heard) == 999 * 1000 - 998


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
