"""A client of the running graph: lays out tasks, runs instructions, and keeps what the graph says meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import rclpy
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport
from vla_contract.ros.convert import chunk_from_msg, report_from_msg
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.stamps import ns_to_duration
from vla_msgs.action import RunTask
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import ControllerStatus, PolicyInfo, PolicyStatus, TaskState
from vla_msgs.srv import Reset

SETTLE_S = 0.6
"""From a reset until an arm that was put elsewhere is taken as it stands [s]."""


class GraphError(RuntimeError):
    """The graph did not do its part in time. The message says which part, and what to look at."""


@dataclass
class Heard:
    """What the graph has said since the last `clear`, each with its arrival on the steady clock [ns]."""

    chunks: list[tuple[int, ActionChunk]] = field(default_factory=list)
    reports: list[tuple[int, ChunkReport]] = field(default_factory=list)
    task_states: list[TaskState] = field(default_factory=list)
    policy_states: list[int] = field(default_factory=list)
    controller_states: list[int] = field(default_factory=list)


class GraphClient:
    """Talks to sim, policy and controller from its own thread.

    Use it as a context manager; it needs an environment in which the graph's domain is visible.

    Args:
        name: Of its node.
        keep_chunks: Chunks and their reports are heard. Reading them takes a millisecond each.
    """

    def __init__(self, name: str = "vla_client", *, keep_chunks: bool = True) -> None:
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node(name, context=self._context)
        self.heard = Heard()
        self.policy_info: PolicyInfo | None = None
        self.policy_status: PolicyStatus | None = None
        self.controller_status: ControllerStatus | None = None
        self.task_state: TaskState | None = None
        self._reset = self.node.create_client(Reset, "vla_sim/reset")
        self._run = ActionClient(self.node, RunTask, "vla/run_task")
        chunk_topics = (
            (ChunkMsg, "vla/action_chunk", self._on_chunk, RELIABLE),
            (ReportMsg, "vla/chunk_report", self._on_report, RELIABLE),
        )
        for kind, topic, callback, qos in (
            *(chunk_topics if keep_chunks else ()),
            (TaskState, "vla/task_state", self._on_task_state, RELIABLE),
            (PolicyStatus, "vla/policy_status", self._on_policy_status, RELIABLE),
            (ControllerStatus, "vla/controller_status", self._on_controller_status, RELIABLE),
            (PolicyInfo, "vla/policy_info", self._on_policy_info, LATCHED),
        ):
            self.node.create_subscription(kind, topic, callback, qos)
        self._closing = threading.Event()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def __enter__(self) -> GraphClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the graph. A second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(timeout=5.0)
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _spin(self) -> None:
        try:
            while not self._closing.is_set():
                self._executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            pass

    # What is heard.

    def _on_chunk(self, message: ChunkMsg) -> None:
        self.heard.chunks.append((time.monotonic_ns(), chunk_from_msg(message)))

    def _on_report(self, message: ReportMsg) -> None:
        self.heard.reports.append((time.monotonic_ns(), report_from_msg(message)))

    def _on_task_state(self, message: TaskState) -> None:
        self.task_state = message
        self.heard.task_states.append(message)

    def _on_policy_status(self, message: PolicyStatus) -> None:
        self.policy_status = message
        self.heard.policy_states.append(message.state)

    def _on_controller_status(self, message: ControllerStatus) -> None:
        self.controller_status = message
        self.heard.controller_states.append(message.state)

    def _on_policy_info(self, message: PolicyInfo) -> None:
        self.policy_info = message

    def clear(self) -> Heard:
        """Start listening afresh; returns what was heard until now."""
        heard, self.heard = self.heard, Heard()
        return heard

    # What can be asked.

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
        """Wait for a condition on what is heard.

        Raises:
            GraphError: Not true in time; the message has `what` and what policy and controller say.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise GraphError(f"waited {timeout:.0f} s for {what}; {self._said()}")
            time.sleep(0.01)

    def _said(self) -> str:
        policy = self.policy_status.message if self.policy_status else "nothing heard"
        controller = self.controller_status.message if self.controller_status else "nothing heard"
        return f"policy: {policy or 'no complaint'}; controller: {controller or 'no complaint'}"

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the policy is ready for a goal and the controller for chunks."""
        self.wait_until(
            lambda: self.policy_status is not None and self.policy_status.state == PolicyStatus.IDLE,
            "the policy to be ready (vla/policy_status IDLE)",
            timeout,
        )
        self.wait_until(
            lambda: self.controller_status is not None and self.controller_status.state == ControllerStatus.IDLE,
            "the controller to be ready (vla/controller_status IDLE)",
            timeout,
        )

    def reset(self, task: str, seed: int, timeout: float = 10.0) -> str:
        """Lay out a task; returns the instruction.

        Raises:
            GraphError: No simulator, or it refused, with its reason.
        """
        episode, instruction = self._ask_reset(task, seed, timeout)
        self.wait_until(
            lambda: self.task_state is not None and self.task_state.episode >= episode,
            "the new task state",
            timeout,
        )
        # The arm was moved by hand, so to say: the controller has to notice that, and begin anew from where it stands.
        time.sleep(SETTLE_S)
        self.wait_until(
            lambda: self.controller_status is None or self.controller_status.state != ControllerStatus.DESYNC,
            "the controller to find the arm again",
            timeout,
        )
        return instruction

    def reset_now(self, task: str, seed: int, timeout: float = 10.0) -> None:
        """Lay out a task and do not wait: whoever moves the arm meanwhile finds it elsewhere. Raises GraphError like `reset`."""
        self._ask_reset(task, seed, timeout)

    def _ask_reset(self, task: str, seed: int, timeout: float) -> tuple[int, str]:
        if not self._reset.wait_for_service(timeout):
            raise GraphError("no service vla_sim/reset: is the sim node running?")
        response = self._wait(self._reset.call_async(Reset.Request(task=task, seed=seed)), "vla_sim/reset", timeout)
        if not response.success:
            raise GraphError(f"vla_sim/reset refused: {response.message}")
        return response.episode, response.instruction

    def send(self, instruction: str, time_limit_s: float, timeout: float = 10.0):
        """Send a goal; returns the goal handle (`accepted` says whether it was taken)."""
        if not self._run.wait_for_server(timeout):
            raise GraphError("no action vla/run_task: is the policy node running?")
        goal = RunTask.Goal(instruction=instruction, time_limit=ns_to_duration(int(time_limit_s * 1e9)))
        return self._wait(self._run.send_goal_async(goal), "vla/run_task to answer", timeout)

    def result(self, handle, timeout: float) -> tuple[int, RunTask.Result]:
        """Wait for a goal's end: (action status, result)."""
        answer = self._wait(handle.get_result_async(), "the result of vla/run_task", timeout)
        return answer.status, answer.result

    def run_task(self, instruction: str, time_limit_s: float) -> RunTask.Result:
        """Run an instruction to its end.

        Raises:
            GraphError: The goal was refused, or its result never came.
        """
        handle = self.send(instruction, time_limit_s)
        if not handle.accepted:
            raise GraphError(f'vla/run_task refused "{instruction}"; {self._said()}')
        return self.result(handle, time_limit_s + 15.0)[1]

    def _wait(self, future, what: str, timeout: float):
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            raise GraphError(f"waited {timeout:.0f} s for {what}; {self._said()}")
        return future.result()
