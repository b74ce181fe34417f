"""What a decision is asked with: the delay measured in the run, and steps of the chunk under way."""

from dataclasses import replace

import numpy as np
import pytest

from vla_contract.observation import VLAObservation
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_policy.describing import empty_observation
from vla_policy.policy import Ask, Decision
from vla_policy.running.asking import ask_for
from vla_policy.running.chunks import decide
from vla_policy.running.run_record import RunRecord, RunRequest, takeover_ns

MS = 1_000_000
START = 50_000 * MS
PERIOD = 100 * MS


def scheduled(record, delay_ms, *, skipped=0, first_due_ms=None, verdict=Verdict.ACCEPTED, **more):
    """Of a chunk planned ``delay_ms`` after its observation, its first step due at ``first_due_ms``."""
    first_due = START + (100 if first_due_ms is None else first_due_ms) * MS
    return ChunkReport(
        stamp_ns=START + delay_ms * MS, phase=Phase.SCHEDULED, run_id=record.run_id, sequence=0, chunk_stamp_ns=START,
        verdict=verdict, steps_skipped=skipped, step_stamps_ns=first_due + PERIOD * np.arange(16), **more,
    )  # fmt: skip


@pytest.fixture
def record():
    return RunRecord(RunRequest("go"), START, 10**12)


def observation(card):
    return VLAObservation(
        stamp_ns=START + 50 * MS, images={}, image_stamps_ns={}, state=np.zeros(card.state_dim),
        state_names=tuple(card.state.fields), state_stamp_ns=START + 50 * MS, instruction="go",
    )  # fmt: skip


@pytest.mark.parametrize(("delay_ms", "skipped", "first_due_ms", "takeover_ms"), [
    (40, 0, 100, 40),  # while its first step is under way
    (130, 1, 100, 130),  # in the second one
    (130, 3, 100, 300),  # after three that were committed
    (60, 0, 180, 80),  # from rest, 20 ms after it was planned
])  # fmt: skip
def test_a_chunk_takes_over_when_its_first_planned_step_begins(record, delay_ms, skipped, first_due_ms, takeover_ms):
    report = scheduled(record, delay_ms, skipped=skipped, first_due_ms=first_due_ms)
    assert takeover_ns(report) == START + takeover_ms * MS


def test_the_delay_expected_is_the_median_of_the_runs_takeovers(card, record):
    assert ask_for(card, record, observation(card), 0).delay_ns == 0
    for delay_ms in (40, 50, 900):
        record.on_report(scheduled(record, delay_ms))
    record.on_report(scheduled(record, 2000, verdict=Verdict.INFEASIBLE))
    ask = ask_for(card, record, observation(card), 0)
    assert ask.delay_ns == 50 * MS and ask.committed is None


def test_old_delays_are_forgotten(card, record):
    for delay_ms in [500] * 60 + [40] * 50:
        record.on_report(scheduled(record, delay_ms))
    assert ask_for(card, record, observation(card), 0).delay_ns == 40 * MS


def test_steps_of_the_chunk_under_way_are_asked_for_as_long_as_it_is(card, record):
    planned = np.tile(np.linspace(0.001, 0.016, 16)[:, None], (1, card.action_dim))
    plan = {
        "action_space": card.action_space, "names": tuple(card.action.names), "planned_actions": planned,
        "anchor": (0.4, 0.0, 0.4, 0.0, 0.0, 0.0, 1.0),
    }  # fmt: skip
    report = scheduled(record, 40, **plan)
    record.on_report(report)
    ask = ask_for(card, record, observation(card), 3)
    assert ask.committed.shape == (3, card.action_dim) and ask.delay_ns == 40 * MS
    np.testing.assert_allclose(ask.committed[:, 0], [0.0015, 0.0025, 0.0035], atol=1e-9)
    record.on_report(ChunkReport(
        stamp_ns=START, phase=Phase.CLOSED, run_id=record.run_id, sequence=0, chunk_stamp_ns=START, verdict=Verdict.ACCEPTED,
    ))  # fmt: skip
    assert ask_for(card, record, observation(card), 3).committed is None


def test_a_chunk_says_from_which_posture_it_was_decided(card):
    """By joint, in the card's order, whatever the order of the state's fields; the gripper is no joint of the arm."""
    names = tuple(card.state.fields)[::-1]
    seen = dict(zip(names, np.linspace(-0.7, 0.9, len(names))))
    observed = replace(
        observation(card), state=np.array([seen[name] for name in names]), state_names=names,
        images=dict.fromkeys(card.camera_names, np.zeros((2, 2, 3), np.uint8)),
        image_stamps_ns=dict.fromkeys(card.camera_names, START),
    )  # fmt: skip

    class Still:
        def infer(self, observation, ask):
            return Decision(np.zeros((card.action.horizon, card.action_dim)))

    chunk = decide(Still(), card, observed, RunRecord(RunRequest("go"), START, 10**12).run_id, 3, lambda: START)
    wanted = [seen[f"{joint}.position"] for joint in card.arms[0].joints]
    assert len(set(wanted)) == 7 and chunk.reference_positions.tolist() == wanted
    assert chunk.image_receipt_steady_ns == 0, "not known"


def test_committed_steps_begin_a_chunk_whatever_the_policy_makes_of_them(card):
    observed = empty_observation(card)
    decided = np.linspace(0.1, 0.9, 16 * card.action_dim).reshape(16, card.action_dim)
    committed, asked = -decided[:3], []

    class Deaf:
        def infer(self, observation, ask):
            asked.append(ask)
            return Decision(decided)

    run_id = RunRecord(RunRequest("go"), START, 10**12).run_id
    ask = Ask(committed, 40 * MS)
    chunk = decide(Deaf(), card, observed, run_id, 3, lambda: START, 17, ask)
    assert asked == [ask] and (chunk.committed_steps, chunk.image_receipt_steady_ns, chunk.sequence) == (3, 17, 3)
    assert np.array_equal(chunk.actions, np.concatenate([committed, decided[3:]]))
    chunk = decide(Deaf(), card, observed, run_id, 4, lambda: START, ask=Ask(committed[:0]))
    assert chunk.committed_steps == 0 and np.array_equal(chunk.actions, decided)


def test_reports_are_counted_by_what_they_say_and_only_those_of_the_run(record):
    for verdict in (Verdict.ACCEPTED, Verdict.INFEASIBLE, Verdict.LATE, Verdict.DESYNC, Verdict.LATE):
        record.on_report(scheduled(record, 40, verdict=verdict))
    closed = {"stamp_ns": START, "phase": Phase.CLOSED, "sequence": 0, "chunk_stamp_ns": START}
    steps = {"steps_executed": 5, "steps_skipped": 1, "steps_clamped": 2, "steps_superseded": 7}
    for run_id, verdict in ((record.run_id, Verdict.LOST), (record.run_id, Verdict.ACCEPTED), ("other", Verdict.LOST)):
        record.on_report(ChunkReport(**closed, run_id=run_id, verdict=verdict, **steps))
    counts = vars(record.counts)
    assert (counts["chunks_accepted"], counts["chunks_refused"], counts["chunks_lost"]) == (1, 2, 1)
    assert {name: counts[name] for name in steps} == {name: 2 * value for name, value in steps.items()}
    assert (record.refused_in_a_row, record.last_refusal.verdict, record.reports) == (2, Verdict.DESYNC, 7)
