"""The action ``vla/run_task``: goals become runs of the session."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node
from rclpy.task import Future

from vla_contract.ros.stamps import stamp_to_ns
from vla_contract.ros.timers import create_timer
from vla_contract.status import PolicyState, RunError
from vla_msgs.action import RunTask
from vla_policy.running.run_record import RunRecord, RunRequest
from vla_policy.running.session import PolicySession, SessionState, understood
from vla_policy.running.worker import SessionWorker
from vla_policy_node.ros.results import feedback_of, result_of

FEEDBACK_S = 0.1
WORKER_END_S = 3.0


class RunTaskServer:
    """Takes one goal at a time. ``open`` offers the action, ``close`` no longer does.

    Args:
        state: The node's state now, for feedback. In CONTENDED no goal is taken.
    """

    def __init__(self, node: Node, session: PolicySession, state: Callable[[], SessionState]) -> None:
        self._node, self._state = node, state
        self._worker = SessionWorker(session)
        self._goals = 0
        self._server: ActionServer | None = None

    def open(self) -> None:
        """Offers the action."""
        self._server = ActionServer(
            self._node, RunTask, "vla/run_task", execute_callback=self.execute, goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )  # fmt: skip

    def close(self) -> None:
        """Offers it no longer. End the run under way first."""
        if self._server is not None:
            self._server.destroy()
            self._server = None

    @property
    def running(self) -> bool:
        """A goal is under way, or its result not yet sent."""
        return self._goals > 0

    def end_run(self, error: RunError, wait: bool = True, why: str = "") -> None:
        """Ends the run under way; ``wait`` until its brake chunk has been sent. why: in words, for its result."""
        self._worker.cancel(error, why)
        if wait:
            self._worker.join(WORKER_END_S)

    async def execute(self, handle) -> RunTask.Result:
        """A goal that was accepted, from its begin to its result."""
        self._goals += 1
        try:
            return await self._run(handle)
        finally:
            self._goals -= 1

    def _on_goal(self, goal: RunTask.Goal) -> GoalResponse:
        if self.running:
            self._node.get_logger().warning("goal refused: another run is under way")
            return GoalResponse.REJECT
        state = self._state()
        if state.state is PolicyState.CONTENDED:
            self._node.get_logger().warning(f"goal refused: {state.message}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def _run(self, handle) -> RunTask.Result:
        request = RunRequest(handle.request.instruction, stamp_to_ns(handle.request.time_limit))
        begun, done = (Future(executor=self._node.executor) for _ in range(2))
        self._worker.start(request, begun.set_result, lambda: done.set_result(True))
        record = await begun  # images go on arriving while the words are encoded
        if isinstance(record, ValueError):
            handle.abort()
            return RunTask.Result(error_code=int(RunError.REJECTED), message=str(record))
        self._node.get_logger().info(f"run {record.run_id[:8]}: '{request.instruction}', {understood(record.meaning)}")
        watch = create_timer(self._node, FEEDBACK_S, lambda: self._watch(handle, record))
        await done
        self._worker.join()
        self._node.destroy_timer(watch)
        if record.error == RunError.CANCELED:
            handle.canceled()
        elif record.error != RunError.NONE:
            handle.abort()
        else:
            handle.succeed()
        words = record.message or record.error.name
        self._node.get_logger().info(
            f"run {record.run_id[:8]}: {record.outcome.name} after {record.elapsed_ns / 1e9:.1f} s: {words}"
        )
        return result_of(record)

    def _watch(self, handle, record: RunRecord) -> None:
        if handle.is_cancel_requested:
            self._worker.cancel()
        elif handle.is_active and not record.ended:
            now_ns = self._node.get_clock().now().nanoseconds
            handle.publish_feedback(feedback_of(record, self._state(), now_ns))
