import threading
import time

import numpy as np
import pytest

from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import Outcome, OutcomeSource, PolicyState, RunError
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.errors import PolicyError
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running import session as session_module
from vla_policy.running.run_record import Counts, RunRequest, TaskTruth
from vla_policy.running.session import PolicySession, SessionConfig
from vla_policy.running.worker import SessionWorker

MS = 1_000_000
START = 50_000 * MS


class Cell:
    """A virtual clock that moves on by 5 ms whenever it is read, cameras and joints that follow it, a controller that accepts."""

    def __init__(self, card, act=None, **config):
        self.card, self.now = card, START
        self.assembler = ObservationAssembler(card)
        self.chunks, self.states, self.silent = [], [], set()
        self.verdict, self.controller = Verdict.ACCEPTED, True
        self.at = {}
        """Virtual time since the start [ms] -> what to do then."""
        policy = ScriptedPolicy(card, act)
        self.session = PolicySession(
            card,
            policy,
            self.assembler,
            self.clock,
            self.publish,
            self.states.append,
            SessionConfig(**{"settle_s": 0.0} | config),
        )
        self.joints = [*card.arms[0].joints, card.arms[0].gripper.joint]
        self.feed()

    def clock(self):
        self.now += 5 * MS
        since = (self.now - START) // MS
        for when in [w for w in self.at if w <= since]:
            self.at.pop(when)()
        if since % 30 == 0:
            self.feed()
        return self.now

    def feed(self):
        if "joint_states" not in self.silent:
            self.assembler.add_joint_state(self.now, self.joints, [0.1] * 8)
        for name in ("front", "wrist"):
            if name not in self.silent:
                pixels = np.random.default_rng(self.now // MS).integers(0, 255, (224, 224, 3), dtype=np.uint8)
                self.assembler.add_image(name, self.now, pixels, 5)

    def publish(self, chunk):
        self.chunks.append(chunk)
        if self.controller:
            verdict = Verdict.BRAKE if chunk.horizon == 0 else self.verdict
            for phase in Phase:
                self.session.on_report(report(chunk, phase, verdict))

    def run(self, instruction="pick up the red block", limit_s=2.0):
        return self.session.run(self.session.begin(RunRequest(instruction, int(limit_s * 1e9))))


def report(chunk, phase, verdict):
    return ChunkReport(
        stamp_ns=chunk.stamp_ns, phase=phase, run_id=chunk.run_id, sequence=chunk.sequence, chunk_stamp_ns=chunk.stamp_ns,
        verdict=verdict, message="because", steps_executed=4 if phase is Phase.CLOSED and chunk.horizon else 0,
    )  # fmt: skip


@pytest.fixture
def cell(card, monkeypatch):
    monkeypatch.setattr(session_module, "POLL_S", 0.0005)
    return lambda act=None, **config: Cell(card, act, **config)


def test_a_run_to_its_time_limit(cell):
    c = cell(replan_steps=3)
    record = c.run(limit_s=2.0)
    moving, last = c.chunks[:-1], c.chunks[-1]
    assert (record.error, record.timed_out, record.outcome) == (RunError.NONE, True, Outcome.UNKNOWN)
    assert last.horizon == 0
    assert [x.sequence for x in c.chunks] == list(range(len(c.chunks)))
    assert {x.run_id for x in c.chunks} == {record.run_id}
    gaps = np.diff([x.stamp_ns for x in moving])
    assert len(moving) >= 5 and gaps.min() >= 300 * MS and gaps.max() <= 340 * MS
    assert moving[0].card_hash == c.card.card_hash and moving[0].image_receipt_steady_ns == 5
    assert moving[0].inference_end_steady_ns > moving[0].inference_start_steady_ns
    assert record.counts.chunks_published == len(c.chunks)
    assert record.counts.chunks_accepted == len(moving)
    assert record.counts.steps_executed == 4 * len(moving)
    assert [s.state for s in c.states] == [PolicyState.RUNNING, PolicyState.IDLE]


def test_unless_told_otherwise_it_decides_from_an_observation_every_four_steps(cell):
    c = cell()
    c.run(limit_s=2.0)
    gaps = np.diff([x.stamp_ns for x in c.chunks[:-1]])
    assert len(gaps) >= 3 and gaps.min() >= 400 * MS and gaps.max() <= 440 * MS


def test_a_decision_that_comes_after_the_end_of_the_run_is_not_sent(cell):
    def act(observation):
        c.now += 3000 * MS
        return np.zeros((16, 7))

    c = cell(act)
    record = c.run(limit_s=2.0)
    assert record.timed_out and [(x.horizon, x.sequence) for x in c.chunks] == [(0, 0)]


@pytest.mark.parametrize(("heard", "open_after"), [(True, set()), (False, {0})])
def test_a_run_waits_for_the_closing_reports_only_of_a_controller_that_speaks(cell, heard, open_after):
    c = cell(lambda observation: np.zeros(3), settle_s=5.0)  # of another shape: all that is sent is the brake

    def publish(chunk):
        c.chunks.append(chunk)
        if heard:
            c.session.on_report(report(chunk, Phase.SCHEDULED, Verdict.BRAKE))
            threading.Timer(0.05, c.session.on_report, [report(chunk, Phase.CLOSED, Verdict.BRAKE)]).start()

    c.session._publish = publish
    begun = time.monotonic()
    record = c.run()
    assert record.open_chunks == open_after and record.reports == (2 if heard else 0) and time.monotonic() - begun < 4.0


def test_a_policy_that_cannot_be_reset_ends_the_run_in_words_and_brakes(cell, monkeypatch):
    c = cell()

    def reset(policy):
        raise TimeoutError("no answer")

    monkeypatch.setattr(ScriptedPolicy, "reset", reset)
    record = c.run()
    assert record.ended and (record.error, record.message) == (RunError.POLICY_FAILED, "TimeoutError: no answer")
    assert [x.horizon for x in c.chunks] == [0] and c.states[-1].state is PolicyState.ERROR


def test_success_is_what_the_simulator_says_of_this_instruction(cell):
    c = cell()
    c.at[100] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, False))
    c.at[600] = lambda: c.session.on_truth(TaskTruth(c.now, "Pick up  the red block", 1, True))
    record = c.run(limit_s=5.0)
    assert (record.outcome, record.outcome_source, record.error) == (Outcome.SUCCESS, OutcomeSource.SIM, RunError.NONE)
    assert 0.5e9 < record.elapsed_ns < 0.8e9
    assert c.chunks[-1].horizon == 0


def test_success_at_something_else_or_before_the_start_is_no_success(cell):
    c = cell()
    c.at[100] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the blue block", 1, True))
    c.at[200] = lambda: c.session.on_truth(TaskTruth(START - 1, "pick up the red block", 1, True))
    record = c.run(limit_s=1.0)
    assert (record.outcome, record.outcome_source) == (Outcome.UNKNOWN, OutcomeSource.NOBODY)


def test_a_task_that_was_done_already_is_no_success_of_the_run(cell):
    """Stopped and not moved at all, it would have been one of a latched stop."""
    c = cell()
    for ms in (150, 300):
        c.at[ms] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, True))
    record = c.run(limit_s=1.0)
    assert (record.outcome, record.outcome_source) == (Outcome.UNKNOWN, OutcomeSource.NOBODY)
    assert "its task was done already when it began" in record.message


def test_time_limit_with_a_simulator_that_saw_no_success_is_failure(cell):
    c = cell()
    c.at[100] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, False))
    assert c.run(limit_s=1.0).outcome is Outcome.FAILURE


def test_cancel_brakes_and_claims_nothing(cell):
    c = cell()
    c.at[100] = lambda: c.session.on_truth(TaskTruth(c.now, "pick up the red block", 1, False))
    c.at[500] = c.session.cancel
    record = c.run(limit_s=5.0)
    assert (record.error, record.outcome) == (RunError.CANCELED, Outcome.UNKNOWN)
    assert c.chunks[-1].horizon == 0 and record.elapsed_ns < 0.8e9


def test_a_stale_camera_brakes_at_once_and_ends_the_run_when_it_lasts(cell):
    c = cell(grace_ns=500 * MS)
    c.at[600] = lambda: c.silent.add("wrist")
    record = c.run(limit_s=10.0)
    assert record.error is RunError.STALE_INPUT
    assert "wrist" in record.message and "the card allows 0.25 s" in record.message
    stale = [s for s in c.states if s.state is PolicyState.STALE_INPUT]
    assert stale and stale[0].input == "wrist"
    brakes = [x for x in c.chunks if x.horizon == 0]
    assert len(brakes) == 2 and c.chunks[-2:] == brakes  # one when it began, one at the end, and nothing in between
    assert brakes[0].stamp_ns - START < 1000 * MS


def test_a_short_gap_is_survived(cell):
    c = cell(grace_ns=1000 * MS)
    c.at[600] = lambda: c.silent.add("front")
    c.at[1200] = c.silent.clear
    record = c.run(limit_s=2.5)
    assert record.error is RunError.NONE
    kinds = [s.state for s in c.states]
    assert kinds == [PolicyState.RUNNING, PolicyState.STALE_INPUT, PolicyState.RUNNING, PolicyState.IDLE]
    assert c.chunks[-2].horizon == 16


def test_an_input_that_never_came_gives_no_motion(cell):
    c = cell(grace_ns=300 * MS)
    c.silent.add("joint_states")
    c.assembler.reset()
    record = c.run(limit_s=5.0)
    assert record.error is RunError.MISSING_INPUT
    assert all(x.horizon == 0 for x in c.chunks)
    assert c.states[1].state is PolicyState.WAITING_FOR_INPUT


def test_a_clock_that_stands_still_ends_the_run(cell, monkeypatch):
    c = cell(still_ns=100 * MS)
    monkeypatch.setattr(c.session, "_clock_ns", lambda: START + MS)
    record = c.run(limit_s=60.0)
    assert record.error is RunError.STALE_INPUT and "clock may have stopped" in record.message


def test_refusals_and_a_latched_stop_end_the_run_with_the_controllers_reason(cell):
    c = cell(refusals=3)
    c.verdict = Verdict.INFEASIBLE
    record = c.run(limit_s=20.0)
    assert record.error is RunError.CHUNKS_REFUSED and "INFEASIBLE: because" in record.message
    assert record.counts.chunks_refused == 3
    stopped = cell()
    stopped.verdict = Verdict.STOPPED
    assert stopped.run(limit_s=20.0).error is RunError.CONTROLLER_STOPPED


def test_a_silent_controller_is_noticed(cell):
    c = cell(grace_ns=700 * MS)
    c.controller = False
    record = c.run(limit_s=20.0)
    assert record.error is RunError.CONTROLLER_UNAVAILABLE and 0.6e9 < record.elapsed_ns < 1.2e9


def test_a_controller_that_falls_silent_in_mid_run_is_noticed(cell):
    c = cell(grace_ns=700 * MS)
    publish = c.publish

    def publish_and_kill(chunk):
        c.controller = chunk.sequence < 3
        publish(chunk)

    c.session._publish = publish_and_kill
    record = c.run(limit_s=20.0)
    assert record.error is RunError.CONTROLLER_UNAVAILABLE and record.counts.chunks_accepted == 3


@pytest.mark.parametrize("failure", [PolicyError("no idea"), ZeroDivisionError("division"), None])
def test_a_policy_that_fails_brakes_the_arm(cell, failure):
    def act(observation):
        if failure:
            raise failure
        return np.zeros((3, 7))  # not the card's horizon

    c = cell(act)
    record = c.run()
    assert record.error is RunError.POLICY_FAILED and record.message
    assert [x.horizon for x in c.chunks] == [0]
    assert c.states[-1].state is PolicyState.ERROR


def test_a_second_run_starts_a_new_sequence(cell):
    c = cell()
    first = c.run(limit_s=0.5)
    del c.chunks[:]
    second = c.run(limit_s=0.5)
    assert first.run_id != second.run_id and c.chunks[0].sequence == 0
    assert second.counts.chunks_published == len(c.chunks)


def test_cancel_from_another_thread(cell):
    c = cell()
    record = c.session.begin(RunRequest("pick up the red block", 10**15))
    worker = threading.Thread(target=c.session.run, args=(record,))
    worker.start()
    c.session.cancel(RunError.SHUTDOWN)
    worker.join(10)
    assert not worker.is_alive() and record.error is RunError.SHUTDOWN


def test_requests_are_checked(cell, card):
    with pytest.raises(ValueError, match="instruction is empty"):
        cell().session.begin(RunRequest("  "))
    with pytest.raises(ValueError, match="time_limit is -1 s"):
        cell().session.begin(RunRequest("go", -(10**9)))
    with pytest.raises(ValueError, match="replan_steps is 17, allowed are 1 to the horizon, 16"):
        cell(replan_steps=17)
    begun = cell().session.begin(RunRequest("go"))
    assert begun.time_limit_ns == max(t.time_limit for t in card.tasks) * 1e9
    assert (begun.ended, begun.elapsed_ns, begun.sequence, begun.counts) == (False, 0, 0, Counts())


def test_a_worker_runs_beside_whoever_started_it_and_can_be_ended(cell):
    c, done, begun = cell(), threading.Event(), []
    worker = SessionWorker(c.session)
    worker.cancel()  # of nothing
    worker.start(RunRequest(" "), begun.append, done.set)
    worker.join(10)
    assert isinstance(begun[0], ValueError) and "instruction is empty" in str(begun[0]) and not done.is_set()
    worker.start(RunRequest("pick up the red block", 10**15), begun.append, done.set)
    worker.cancel(RunError.SHUTDOWN)
    worker.join(10)
    assert done.is_set() and begun[1].error is RunError.SHUTDOWN and c.chunks[-1].horizon == 0


def test_words_that_take_long_to_encode_hold_nobody_up_and_a_cancel_meanwhile_counts(cell):
    c, begun, encoding, go = cell(), [], threading.Event(), threading.Event()

    def nearest(text, sentences):
        encoding.set()
        assert go.wait(10)
        return 0, -1.0

    c.session._nearest = nearest
    worker = SessionWorker(c.session)
    worker.start(RunRequest("do a dance", 10**15), begun.append, lambda: None)
    assert encoding.wait(10) and not begun
    worker.cancel(RunError.SHUTDOWN)
    go.set()
    worker.join(10)
    assert begun[0].error is RunError.SHUTDOWN and [x.horizon for x in c.chunks] == [0]
