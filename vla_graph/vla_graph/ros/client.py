"""A client of the running graph: lays out tasks, runs instructions, and keeps what the graph says meanwhile."""

from __future__ import annotations

import threading
import time

from rclpy.action import ActionClient

from vla_contract.ros.stamps import ns_to_duration
from vla_graph.errors import GraphError
from vla_graph.ros.listener import GraphListener, Heard
from vla_graph.ros.robot_client import SETTLE_S
from vla_msgs.action import RunTask
from vla_msgs.msg import ControllerStatus, PolicyStatus
from vla_msgs.srv import Reset

__all__ = ["GraphClient", "GraphError", "Heard"]


class GraphClient(GraphListener):
    """Hears the graph, and asks of it. Arguments as of GraphListener."""

    def __init__(self, name: str = "vla_client", *, keep_chunks: bool = True) -> None:
        super().__init__(name, keep_chunks=keep_chunks)
        self._reset = self.node.create_client(Reset, "vla_sim/reset")
        self._run = ActionClient(self.node, RunTask, "vla/run_task")

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
            raise GraphError(f'vla/run_task refused "{instruction}"; {self.what_they_say()}')
        return self.result(handle, time_limit_s + 15.0)[1]

    def _wait(self, future, what: str, timeout: float):
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            raise GraphError(f"waited {timeout:.0f} s for {what}; {self.what_they_say()}")
        return future.result()
