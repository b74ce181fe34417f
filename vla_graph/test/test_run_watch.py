"""The last line of `vla run`, from the result of a run and the reports on its chunks."""

import uuid

import pytest

pytest.importorskip("rclpy")

from vla_contract.report import Phase, Verdict
from vla_contract.ros.convert import run_id_to_msg
from vla_contract.status import DONE_BEFORE, ControllerState, Outcome, PolicyState
from vla_graph.errors import RobotError
from vla_graph.ros import run_watch
from vla_graph.ros.run_watch import UNKNOWN, RunWatch
from vla_msgs.action import RunTask
from vla_msgs.msg import ChunkReport, ControllerStatus, PolicyStatus

RUN, OTHER = uuid.UUID(int=7).hex, uuid.UUID(int=8).hex


class AtRest:
    """A robot for which nobody has to wait."""

    def until(self, done, seconds):
        return True


def told(capsys, verdicts, run=RUN):
    """The line that ends a run over so many chunks, each with its verdict."""
    watch = RunWatch("lift it", 2.0, "", [])
    for verdict in verdicts:
        for phase in Phase:
            watch._on_report(ChunkReport(run_id=run_id_to_msg(run), phase=int(phase), verdict=int(verdict)))
    watch._on_report(ChunkReport(run_id=run_id_to_msg(OTHER), phase=int(Phase.SCHEDULED), verdict=int(Verdict.STALE)))
    watch._on_report(ChunkReport(run_id=run_id_to_msg(RUN), phase=int(Phase.CLOSED), verdict=int(Verdict.SUPERSEDED)))
    result = RunTask.Result(run_id=run_id_to_msg(RUN), timed_out=True, outcome=int(Outcome.UNKNOWN), chunks_published=11)
    result.chunks_refused = sum(verdict.is_refusal for verdict in verdicts)
    assert watch._tell(AtRest(), result) == UNKNOWN
    return capsys.readouterr().out


def test_chunks_that_were_refused_are_told_with_their_verdicts(capsys):
    verdicts = [Verdict.STALE, *[Verdict.NOT_FINITE] * 9, Verdict.BRAKE]
    line = "0.0 s, 11 chunks, 0 of 0 steps clamped, 10 chunks refused (9 NOT_FINITE, 1 STALE): ended at its time limit"
    assert told(capsys, verdicts).startswith(line)
    assert ", 1 chunk refused: ended" in told(capsys, [Verdict.STALE], run=uuid.UUID(int=9).hex)  # reports that were missed


def test_a_run_without_refused_chunks_says_nothing_of_them(capsys):
    assert "refused" not in told(capsys, [Verdict.ACCEPTED, Verdict.BRAKE])


def test_a_task_that_was_done_before_is_told_with_what_to_do(capsys):
    """A second run without a reset ends at once."""
    message = f"the simulator reports success; {DONE_BEFORE}"
    assert RunWatch("lift it", 2.0, "", [])._tell(AtRest(), RunTask.Result(message=message)) == UNKNOWN
    line = capsys.readouterr().out
    assert f"ended; {message}" in line and "`vla reset`" in line and "nobody said whether" not in line


class WithoutPolicy:
    """A robot on which a second passes with every look; a controller speaks and nobody else."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(run_watch.time, "monotonic", lambda: self.now)

    def until(self, done, seconds):
        self.now += 1.0
        return False

    def missing(self, *words):
        return RobotError("no action")


@pytest.mark.parametrize(("state", "told"), [(None, True), (PolicyState.INACTIVE, False)])
def test_waiting_says_after_a_while_that_no_policy_speaks(capsys, monkeypatch, state, told):
    watch = RunWatch("lift it", 2.0, "", [])
    robot = WithoutPolicy(monkeypatch)
    watch._on_controller(ControllerStatus(state=int(ControllerState.IDLE)))
    if state is not None:
        watch._on_policy(PolicyStatus(state=int(state)))
    with pytest.raises(RobotError):
        watch._find(robot, type("Client", (), {"server_is_ready": lambda self: False})())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("waiting for the policy") and (len(lines) == 2) is told
    assert ("a controller speaks, and nobody on vla/policy_status" in lines[-1]) is told


@pytest.mark.parametrize(("state", "age_s", "words"), [
    (ControllerState.IDLE, 0.0, "; the arm rests, IDLE"),
    (ControllerState.HOMING, 0.0, "; the arm still moves, HOMING"),
    (ControllerState.TRACKING, 5.0, "has been silent for 5.0 s: nobody says whether the arm rests; its last word was TRACKING"),
    (ControllerState.IDLE, 5.0, "has been silent for 5.0 s: nobody says whether the arm rests; its last word was IDLE"),
    ("dry", 0.0, "; dry run, no trajectory was published: the arm was not moved, IDLE"),
    (None, 0.0, "; no controller was heard: nobody says whether the arm rests"),
])  # fmt: skip
def test_the_arm_is_told_of_as_the_controller_speaks_now(capsys, monkeypatch, state, age_s, words):
    """A controller that was killed has a last status, too."""
    watch = RunWatch("lift it", 2.0, "", [])
    now = [100.0]
    monkeypatch.setattr(run_watch.time, "monotonic", lambda: now[0])
    if state is not None:
        dry = state == "dry"
        watch._on_controller(ControllerStatus(state=int(ControllerState.IDLE if dry else state), dry_run=dry))
    now[0] += age_s
    watch._tell(AtRest(), RunTask.Result(outcome=int(Outcome.UNKNOWN)))
    assert capsys.readouterr().out.rstrip().endswith(words)
