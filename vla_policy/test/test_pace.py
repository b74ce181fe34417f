"""The pacer in virtual time, step by step."""

import numpy as np
import pytest

from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import RunError
from vla_policy.errors import ObservationError, ObservationKind
from vla_policy.running.pace import Brake, Decide, End, Pace, Pacing, Wait, replan_ns
from vla_policy.running.run_record import RunRecord, RunRequest, TaskTruth

MS = 1_000_000
START = 50_000 * MS
STALE = ObservationError(ObservationKind.STALE, "wrist", "0.300 s old, the card allows 0.25 s")


def seen(stamp_ns):
    return VLAObservation(
        stamp_ns=stamp_ns, images={"front": np.zeros((2, 2, 3), np.uint8)}, image_stamps_ns={"front": stamp_ns},
        state=np.zeros(1), state_names=("j.position",), state_stamp_ns=stamp_ns, instruction="go",
    )  # fmt: skip


def run(limit_ms=10_000):
    return RunRecord(RunRequest("go"), START, limit_ms * MS)


def kinds(pace, ticks):
    """ticks: (milliseconds since the start, stamp likewise or an error)."""
    found = []
    for at, what in ticks:
        error = isinstance(what, ObservationError)
        newest = START if error else START + what * MS
        found.append(type(pace.step(START + at * MS, newest, what if error else seen(newest))))
    return found


def test_it_decides_from_the_first_image_and_again_after_the_replan_period():
    pace = Pace(Pacing(400 * MS))
    ticks = [(k, k - k % 33) for k in range(0, 2000, 5)]
    decided = [stamp for (_, stamp), kind in zip(ticks, kinds(pace, ticks)) if kind is Decide]
    assert decided == [0, 429, 858, 1287, 1716], "each the first image that is 400 ms after the one before"


def test_an_image_of_before_the_run_is_not_decided_from():
    """It may show another scene, and is old by the time that the words are encoded."""
    assert kinds(Pace(Pacing(0), run()), [(5, -20), (12, -1), (33, 0), (60, 33)]) == [Wait, Wait, Decide, Decide]
    assert kinds(Pace(Pacing(0)), [(5, -20)]) == [Decide], "who follows another's run decides as that did"


def test_an_image_is_decided_from_once_also_without_a_period():
    pace = Pace(Pacing(0))
    assert kinds(pace, [(0, 0), (5, 0), (40, 33), (45, 33)]) == [Decide, Wait, Decide, Wait]


def test_stamps_that_come_in_steps_may_be_a_step_early():
    ticks = [(0, 0), (398, 398)]
    assert kinds(Pace(Pacing(400 * MS, early_ns=2 * MS)), ticks) == [Decide, Decide]
    assert kinds(Pace(Pacing(400 * MS, early_ns=1 * MS)), ticks) == [Decide, Wait]


def test_due_tells_beforehand_what_step_will_do():
    pace = Pace(Pacing(400 * MS))
    assert pace.due(START) and isinstance(pace.step(START, START, seen(START)), Decide)
    for later in (0, 200, 399):
        assert not pace.due(START + later * MS)
    assert isinstance(pace.step(START + 200 * MS, START + 200 * MS, None), Wait)
    assert pace.due(START + 400 * MS) and pace.due(START - 1), "also where the clock was set back"


def test_unfit_input_brakes_once_and_ends_the_run_when_it_lasts():
    pace = Pace(Pacing(400 * MS, grace_ns=100 * MS), run())
    assert kinds(pace, [(0, 0), (300, STALE), (320, STALE), (399, STALE)]) == [Decide, Brake, Wait, Wait]
    assert pace.unfit
    end = pace.step(START + 400 * MS, START, STALE)
    assert end == End(RunError.STALE_INPUT, "wrist: 0.300 s old, the card allows 0.25 s")


def test_a_short_gap_is_survived_and_each_gap_brakes_anew():
    pace = Pace(Pacing(400 * MS, grace_ns=100 * MS))
    ticks = [(0, 0), (300, STALE), (350, 330), (390, STALE), (420, 420), (480, STALE), (570, STALE)]
    assert kinds(pace, ticks) == [Decide, Brake, Wait, Brake, Decide, Brake, Wait]
    assert pace.step(START + 350 * MS, START, STALE).error is STALE


def test_without_a_grace_unfit_input_never_ends_a_run():
    pace = Pace(Pacing(0, grace_ns=None))
    assert kinds(pace, [(0, STALE), (10**6, STALE)]) == [Brake, Wait]


def test_a_clock_that_was_set_back_starts_the_time_of_the_run_anew():
    record = run(limit_ms=1000)
    pace = Pace(Pacing(400 * MS), record)
    hour = 3_600_000 * MS
    assert isinstance(pace.step(START + 900 * MS, START + 900 * MS, seen(START + 900 * MS)), Decide)
    back = START + 900 * MS - hour
    assert isinstance(pace.step(back, back, seen(back)), Decide), "not after an hour"
    assert record.started_ns == back
    assert pace.step(back + 1000 * MS, back, seen(back)).timed_out


def test_a_clock_that_was_set_back_prolongs_no_grace():
    record = run()
    pace = Pace(Pacing(400 * MS, grace_ns=500 * MS), record)
    assert kinds(pace, [(0, 0), (300, STALE)]) == [Decide, Brake]
    record.on_published(START + 300 * MS)
    back = START - 3_600_000 * MS
    assert isinstance(pace.step(back, 0, STALE), Wait)
    assert pace.step(back + 500 * MS, 0, STALE).error is RunError.STALE_INPUT
    assert pace.ending(back + 501 * MS).error is RunError.CONTROLLER_UNAVAILABLE


def test_a_clock_that_stands_still_makes_nothing_old_so_the_steady_one_ends_the_run():
    pace = Pace(Pacing(400 * MS, still_ns=100 * MS), run())
    assert isinstance(pace.step(START, START, seen(START), 0), Decide)
    assert isinstance(pace.step(START, START, seen(START), 100 * MS), Wait)
    end = pace.step(START, START, seen(START), 101 * MS)
    assert end.error is RunError.STALE_INPUT and "no new image for 0.1 s of wall time" in end.message
    assert isinstance(pace.step(START, START + 33 * MS, seen(START + 33 * MS), 150 * MS), Wait), "a new image came"


def refused(record, verdict, times):
    for k in range(times):
        record.on_report(ChunkReport(
            stamp_ns=START, phase=Phase.SCHEDULED, run_id=record.run_id, sequence=k, chunk_stamp_ns=START, verdict=verdict,
            message="because",
        ))  # fmt: skip


@pytest.mark.parametrize(("happens", "error", "words"), [
    (lambda r: r.on_truth(TaskTruth(START, "Go", 1, True)), RunError.NONE, "the simulator reports success"),
    (lambda r: setattr(r, "cancelled", RunError.CANCELED), RunError.CANCELED, "canceled"),
    (lambda r: setattr(r, "cancelled", RunError.SHUTDOWN), RunError.SHUTDOWN, "shutting down"),
    (lambda r: refused(r, Verdict.STOPPED, 1), RunError.CONTROLLER_STOPPED, "because"),
    (lambda r: refused(r, Verdict.CONTENDED, 1), RunError.CONTENDED, "because"),
    (lambda r: vars(r).update(cancelled=RunError.CONTENDED, cancelled_why="/b is here"), RunError.CONTENDED, "/b is here"),
    (lambda r: refused(r, Verdict.INFEASIBLE, 3), RunError.CHUNKS_REFUSED, "3 chunks refused in a row: INFEASIBLE: because"),
    (lambda r: r.on_published(START - 800 * MS), RunError.CONTROLLER_UNAVAILABLE, "no report from the controller within 0.5 s"),
])  # fmt: skip
def test_reasons_to_end(happens, error, words):
    record = run()
    pace = Pace(Pacing(400 * MS, grace_ns=500 * MS, refusals=3), record)
    assert pace.ending(START) is None
    happens(record)
    end = pace.step(START, START, seen(START))
    assert isinstance(end, End) and end.error is error and end.message.startswith(words) and not end.timed_out


def test_what_ends_no_run():
    record = run()
    pace = Pace(Pacing(400 * MS, refusals=None, grace_ns=None), record)
    refused(record, Verdict.STOPPED, 50)
    refused(record, Verdict.CONTENDED, 50)
    record.on_published(START - 10**6 * MS)
    record.on_truth(TaskTruth(START, "go", 1, False))
    assert pace.ending(START) is None
    assert pace.step(START + 10_000 * MS, START, seen(START)).timed_out


def test_followers_of_another_run_have_no_reasons_to_end():
    assert Pace(Pacing(0)).ending(START) is None


def test_replan_steps_are_checked_against_the_horizon(card):
    assert [replan_ns(card, steps) for steps in (1, 4, 16)] == [steps * card.step_period_ns for steps in (1, 4, 16)]
    for steps in (0, 17):
        with pytest.raises(ValueError, match=f"replan_steps is {steps}, allowed are 1 to the horizon, 16"):
            replan_ns(card, steps)
