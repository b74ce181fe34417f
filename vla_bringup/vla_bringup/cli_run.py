"""`vla run`: an instruction to the policy of a running robot, watched until it ends."""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

FAILED = 1
UNKNOWN = 3
"""Exit code of a run that went to its end, of which nobody said whether it did its task."""
_FIND_S = 5.0
_START_S = 60.0
"""Longest wait for a policy where the controller or the policy itself speaks: it may be loading, and says nothing then [s]."""
_ANSWER_S = 10.0
_SILENCE_S = 10.0
"""A policy that says nothing for so long is taken for dead [s]; it speaks five times a second."""
_REST_S = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla run`."""
    parser.description = (
        "Runs the policy on an instruction and watches until it ends. Ctrl-C cancels it and waits until the arm rests. Exit code "
        "0: the task was done; 1: it failed, or was refused or aborted; 2: no policy answers; 3: it went to its end, and nobody "
        "can tell whether it was done, as on a real arm; 130: Ctrl-C."
    )
    parser.add_argument("instruction", help='what to do, in words: "pick up the red block"')
    parser.add_argument(
        "--time-limit", type=float, default=0.0, metavar="S", help="longest duration [s] (default: the card's for its tasks)"
    )
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot (default: none)")


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """The signals to end that have come, instead of what they do: the goal has to be cancelled before this process ends."""
    told: list[int] = []
    kept = {number: signal.signal(number, lambda n, _: told.append(n)) for number in _SIGNALS}
    try:
        yield told
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class _Line:
    """One line that is written over on a terminal; elsewhere a new one where the state changes."""

    def __init__(self) -> None:
        self._terminal, self._state, self._open = sys.stdout.isatty(), "", False

    def show(self, state: str, rest: str) -> None:
        if self._terminal:
            print(f"\r\x1b[K{f'{state} {rest}'[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            self._open = True
        elif state != self._state:
            print(f"{state} {rest}", flush=True)
        self._state = state

    def end(self) -> None:
        if self._open:
            print(flush=True)
            self._open = False


def run(args: argparse.Namespace) -> int:
    """Returns the exit code. Raises RobotError where nobody answers, or an option is wrong."""
    from vla_bringup.robot_client import RobotError

    if not args.instruction.strip():
        raise RobotError("the instruction is empty; say what to do, in words")
    if not (math.isfinite(args.time_limit) and 0 <= args.time_limit <= 86_400):
        raise RobotError(f"--time-limit is {args.time_limit:g}, allowed is 0 (the card's) to 86400 [s]")
    with _noted_signals() as told:
        return _Run(args, told).run()


class _Run:
    """One goal, from finding the policy to the arm at rest."""

    def __init__(self, args: argparse.Namespace, told: list[int]) -> None:
        self._args, self._told, self._line = args, told, _Line()
        self._policy = self._controller = None
        self._heard = time.monotonic()

    def run(self) -> int:
        from rclpy.action import ActionClient

        from vla_bringup.robot_client import RobotClient
        from vla_contract.ros.qos import RELIABLE
        from vla_contract.ros.stamps import ns_to_duration
        from vla_msgs.action import RunTask
        from vla_msgs.msg import ControllerStatus, PolicyStatus

        with RobotClient(self._args.namespace) as robot:
            robot.node.create_subscription(PolicyStatus, "vla/policy_status", self._on_policy, RELIABLE)
            robot.node.create_subscription(ControllerStatus, "vla/controller_status", self._on_controller, RELIABLE)
            client = ActionClient(robot.node, RunTask, "vla/run_task")
            try:
                if not self._find(robot, client):
                    return 128 + self._told[0]
                limit = ns_to_duration(round(self._args.time_limit * 1e9))
                goal = RunTask.Goal(instruction=self._args.instruction, time_limit=limit)
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
        self._controller = message

    def _on_feedback(self, message) -> None:
        from vla_contract.ros.stamps import stamp_to_ns
        from vla_contract.status import PolicyState

        told, self._heard = message.feedback, time.monotonic()
        words = f": {told.message}" if told.message else ""
        seconds = stamp_to_ns(told.elapsed) / 1e9
        self._line.show(PolicyState(told.state).name, f"{seconds:.1f} s, {told.chunks_published} chunks{words}")

    def _find(self, robot, client) -> bool:
        """Waits for the policy, longer where it says that it is starting. False where a signal came. Raises RobotError."""
        from vla_bringup.robot_client import RobotError
        from vla_contract.status import PolicyState

        started = time.monotonic()
        while not self._told:
            if robot.until(lambda: client.server_is_ready() or self._told, 0.5):
                return not self._told
            waited = time.monotonic() - started
            state = None if self._policy is None else PolicyState(self._policy.state)
            somebody = self._policy is not None or self._controller is not None
            if waited > (_START_S if somebody else _FIND_S) or state is PolicyState.ERROR:
                said = "" if state is None else f"; the policy says {state.name} {self._policy.message}".rstrip()
                raise RobotError(f"{robot.missing('action', 'vla/run_task', 'is the policy running', round(waited))}{said}")
            if somebody:
                self._line.show("waiting for the policy", "" if state is None else f"({state.name})")
        return False

    def _watch(self, robot, handle) -> int:
        """Waits for the end of a goal; cancels it where a signal comes, or this process fails. Returns the exit code."""
        if not handle.accepted:
            said = self._policy.message if self._policy is not None else ""
            print(f"refused: {said or 'another run is under way'}")
            return FAILED
        result = handle.get_result_async()
        ended = False
        try:
            self._heard = time.monotonic()
            robot.until(lambda: result.done() or self._told or time.monotonic() - self._heard > _SILENCE_S, math.inf)
            if self._told and not result.done():
                self._line.end()
                print("cancelling; the arm brakes", flush=True)
                handle.cancel_goal_async()
                robot.until(lambda: result.done() or len(self._told) > 1, _ANSWER_S)
            ended = result.done()
        finally:
            if not ended:  # also where nobody reads our output any more
                handle.cancel_goal_async()
                robot.until(result.done, 1.0)
        self._line.end()
        if not ended:
            print("the policy does not answer any more: the arm comes to rest by itself; `vla stop` makes sure")
            return 128 + self._told[0] if self._told else FAILED
        return self._tell(robot, result.result().result)

    def _tell(self, robot, result) -> int:
        """Prints how a run ended, once the arm rests. Returns the exit code."""
        from vla_contract.ros.stamps import stamp_to_ns
        from vla_contract.status import ControllerState, Outcome, OutcomeSource, RunError

        moving = (ControllerState.TRACKING, ControllerState.BRAKING)
        rests = robot.until(
            lambda: self._controller is None or self._controller.state not in moving or len(self._told) > 1, _REST_S
        )
        error, outcome = RunError(result.error_code), Outcome(result.outcome)
        if error is RunError.CANCELED:
            words = "cancelled"
        elif error is not RunError.NONE:
            words = f"aborted, {error.name}: {result.message}"
        elif outcome is Outcome.UNKNOWN:
            words = f"ended{' at its time limit' if result.timed_out else ''}; nobody said whether the task was done"
        else:
            words = f"{outcome.name.lower()}{', at its time limit' if result.timed_out else ''}"
            words += f", says {OutcomeSource(result.outcome_source).name}"
        if self._controller is not None:
            words += f"; the arm {'rests' if rests else 'still moves'}, {ControllerState(self._controller.state).name}"
        seconds = stamp_to_ns(result.elapsed) / 1e9
        steps = f"{result.steps_clamped} of {result.steps_executed} steps clamped"
        print(f"{seconds:.1f} s, {result.chunks_published} chunks, {steps}: {words}")
        if error is RunError.CANCELED:
            return 128 + (self._told[0] if self._told else signal.SIGINT)
        if error is not RunError.NONE or outcome is Outcome.FAILURE:
            return FAILED
        return 0 if outcome is Outcome.SUCCESS else UNKNOWN
