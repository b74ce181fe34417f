"""One goal of `vla/run_task`, from finding the policy to the arm at rest, told on a terminal."""

from __future__ import annotations

import math
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rclpy.action import ActionClient

from vla_contract.printing import printable, tell
from vla_contract.report import Phase, Verdict
from vla_contract.ros.qos import RELIABLE
from vla_contract.ros.stamps import ns_to_duration, stamp_to_ns
from vla_contract.status import DONE_BEFORE, ControllerState, Outcome, OutcomeSource, PolicyState, RunError
from vla_graph.controllers import several
from vla_graph.errors import RobotError
from vla_graph.ros.controllers import Controllers
from vla_graph.ros.robot_client import RobotClient
from vla_msgs.action import RunTask
from vla_msgs.msg import ChunkReport, ControllerStatus, PolicyStatus

FAILED = 1
UNKNOWN = 3
"""Exit code of a run that went to its end, of which nobody said whether it did its task."""
_FIND_S = 5.0
_START_S = 60.0
"""Longest wait for a policy where the controller or the policy itself speaks: it may be loading, and says nothing then [s]."""
_NO_POLICY = "a controller speaks, and nobody on vla/policy_status: no policy runs, or it loads its libraries still"
_ANSWER_S = 10.0
_SILENCE_S = 10.0
"""A policy that says nothing for so long is taken for dead [s]; it speaks five times a second."""
_REST_S = 10.0
_CONTROLLER_SILENCE_S = 1.0
"""A status older than this says nothing of the present [s]; the controller speaks ten times a second."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """The signals to end that have come, instead of what they do: the goal has to be cancelled before this process ends."""
    came: list[int] = []
    kept = {number: signal.signal(number, lambda n, _: came.append(n)) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class _Line:
    """One line that is written over on a terminal; elsewhere a new one where the state changes."""

    def __init__(self) -> None:
        self._terminal, self._state, self._open = sys.stdout.isatty(), "", False

    def show(self, state: str, rest: str) -> None:
        if self._terminal:
            print(f"\r\x1b[K{printable(f'{state} {rest}')[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            self._open = True
        elif state != self._state:
            tell(f"{state} {rest}", flush=True)
        self._state = state

    def end(self) -> None:
        if self._open:
            tell(flush=True)
            self._open = False


class RunWatch:
    """One goal, from finding the policy to the arm at rest."""

    def __init__(self, instruction: str, time_limit_s: float, namespace: str, signals: list[int]) -> None:
        self._instruction, self._time_limit_s, self._namespace = instruction, time_limit_s, namespace
        self._signals, self._line = signals, _Line()
        self._policy = self._controller = None
        self._controller_spoke = -math.inf
        self._refusals: dict[bytes, Counter[str]] = {}
        """Of each run that is heard of: chunks refused, by verdict."""
        self._heard = time.monotonic()

    def run(self) -> int:
        with RobotClient(self._namespace) as robot:
            robot.node.create_subscription(PolicyStatus, "vla/policy_status", self._on_policy, RELIABLE)
            robot.node.create_subscription(ControllerStatus, "vla/controller_status", self._on_controller, RELIABLE)
            robot.node.create_subscription(ChunkReport, "vla/chunk_report", self._on_report, RELIABLE)
            controllers = Controllers(robot)
            client = ActionClient(robot.node, RunTask, "vla/run_task")
            try:
                if not self._find(robot, client):
                    return 128 + self._signals[0]
                robot.wait_known()
                found = several("policies", robot.publishers("vla/policy_status")) or controllers.several()
                if found:
                    self._line.end()
                    tell(f"refused: {found}")
                    return FAILED
                limit = ns_to_duration(round(self._time_limit_s * 1e9))
                goal = RunTask.Goal(instruction=self._instruction, time_limit=limit)
                sent = client.send_goal_async(goal, feedback_callback=self._on_feedback)
                if not robot.until(sent.done, _ANSWER_S):
                    raise robot.missing("answer from", "vla/run_task", "is the policy alive", _ANSWER_S)
                return self._watch(robot, sent.result())
            finally:
                self._line.end()
                client.destroy()

    def _on_policy(self, message) -> None:
        self._policy, self._heard = message, time.monotonic()

    def _on_controller(self, message) -> None:
        self._controller, self._controller_spoke = message, time.monotonic()

    def _on_report(self, message) -> None:
        # As in the run's own counts: only on arrival; a chunk that is superseded later was not refused.
        if message.phase == Phase.SCHEDULED and Verdict(message.verdict).is_refusal:
            self._refusals.setdefault(bytes(message.run_id.uuid), Counter())[Verdict(message.verdict).name] += 1

    def _on_feedback(self, message) -> None:
        feedback, self._heard = message.feedback, time.monotonic()
        words = f": {feedback.message}" if feedback.message else ""
        seconds = stamp_to_ns(feedback.elapsed) / 1e9
        self._line.show(PolicyState(feedback.state).name, f"{seconds:.1f} s, {feedback.chunks_published} chunks{words}")

    def _find(self, robot, client) -> bool:
        """Waits for the policy, longer where it says that it is starting. False where a signal came. Raises RobotError."""
        started = time.monotonic()
        while not self._signals:
            if robot.until(lambda: client.server_is_ready() or self._signals, 0.5):
                return not self._signals
            waited = time.monotonic() - started
            state = None if self._policy is None else PolicyState(self._policy.state)
            somebody = self._policy is not None or self._controller is not None
            if waited > (_START_S if somebody else _FIND_S) or state is PolicyState.ERROR:
                said = "" if state is None else f"; the policy says {state.name} {self._policy.message}".rstrip()
                raise RobotError(f"{robot.missing('action', 'vla/run_task', 'is the policy running', round(waited))}{said}")
            if somebody and state is None and waited > _FIND_S:
                self._line.show(f"waiting for the policy up to {_START_S:g} s:", _NO_POLICY)
            elif somebody:
                self._line.show("waiting for the policy", "" if state is None else f"({state.name})")
        return False

    def _watch(self, robot, handle) -> int:
        """Waits for the end of a goal; cancels it where a signal comes, or this process fails. Returns the exit code."""
        if not handle.accepted:
            said = self._policy.message if self._policy is not None else ""
            tell(f"refused: {said or 'another run is under way'}")
            return FAILED
        result = handle.get_result_async()
        ended = False
        try:
            self._heard = time.monotonic()
            robot.until(lambda: result.done() or self._signals or time.monotonic() - self._heard > _SILENCE_S, math.inf)
            if self._signals and not result.done():
                self._line.end()
                tell("cancelling; the arm brakes", flush=True)
                handle.cancel_goal_async()
                robot.until(lambda: result.done() or len(self._signals) > 1, _ANSWER_S)
            ended = result.done()
        finally:
            if not ended:  # also where nobody reads our output any more
                handle.cancel_goal_async()
                robot.until(result.done, 1.0)
        self._line.end()
        if not ended:
            tell("the policy does not answer any more: the arm comes to rest by itself; `vla stop` makes sure")
            return 128 + self._signals[0] if self._signals else FAILED
        return self._tell(robot, result.result().result)

    def _tell(self, robot, result) -> int:
        """Prints how a run ended, once the arm rests. Returns the exit code."""
        robot.until(lambda: self._silent or not self._moves or len(self._signals) > 1, _REST_S)
        error, outcome = RunError(result.error_code), Outcome(result.outcome)
        if error is RunError.CANCELED:
            words = "cancelled"
        elif error is not RunError.NONE:
            words = f"aborted, {error.name}: {result.message}"
        elif outcome is Outcome.UNKNOWN and DONE_BEFORE in result.message:
            words = f"ended; {result.message}, which is no success of this run: reset the scene first, `vla reset`"
        elif outcome is Outcome.UNKNOWN:
            words = f"ended{' at its time limit' if result.timed_out else ''}; nobody said whether the task was done"
        else:
            words = f"{outcome.name.lower()}{', at its time limit' if result.timed_out else ''}"
            words += f", says {OutcomeSource(result.outcome_source).name}"
        words += f"; {self._of_the_arm()}"
        seconds = stamp_to_ns(result.elapsed) / 1e9
        steps = f"{result.steps_clamped} of {result.steps_executed} steps clamped"
        if result.chunks_refused:
            why = self._refusals.get(bytes(result.run_id.uuid), Counter()).most_common()
            steps += f", {result.chunks_refused} chunk{'s' if result.chunks_refused != 1 else ''} refused"
            steps += f" ({', '.join(f'{count} {verdict}' for verdict, count in why)})" if why else ""
        tell(f"{seconds:.1f} s, {result.chunks_published} chunks, {steps}: {words}")
        if error is RunError.CANCELED:
            return 128 + (self._signals[0] if self._signals else signal.SIGINT)
        if error is not RunError.NONE or outcome is Outcome.FAILURE:
            return FAILED
        return 0 if outcome is Outcome.SUCCESS else UNKNOWN

    @property
    def _silent(self) -> bool:
        return time.monotonic() - self._controller_spoke > _CONTROLLER_SILENCE_S

    @property
    def _moves(self) -> bool:
        return self._controller.state in (ControllerState.TRACKING, ControllerState.BRAKING, ControllerState.HOMING)

    def _of_the_arm(self) -> str:
        """Whether it rests, as far as the controller says so now."""
        if self._controller is None:
            return "no controller was heard: nobody says whether the arm rests"
        state = ControllerState(self._controller.state).name
        if self._silent:
            seconds = time.monotonic() - self._controller_spoke
            silent = f"the controller has been silent for {seconds:.1f} s"
            return f"{silent}: nobody says whether the arm rests; its last word was {state}"
        if self._controller.dry_run:
            return f"dry run, no trajectory was published: the arm was not moved, {state}"
        return f"the arm {'still moves' if self._moves else 'rests'}, {state}"
