"""The node while the clock of the computer is set: a run can be cancelled all the same."""

import threading
import time
from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.time import Time  # noqa: E402

from vla_contract.status import PolicyState, RunError  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.action import RunTask  # noqa: E402
from vla_policy.running.run_record import RunRecord  # noqa: E402
from vla_policy.running.session import SessionState  # noqa: E402
from vla_policy_node.ros.node import PolicyNode  # noqa: E402
from vla_policy_node.ros.run_task import RunTaskServer  # noqa: E402


class Session:
    """A run that goes on until it is cancelled."""

    def __init__(self):
        self.record, self._stop = None, threading.Event()

    def begin(self, request):
        self.record = RunRecord(request, 0, 10**9)
        return self.record

    def run(self, record):
        cancelled = self._stop.wait(20.0)
        record.end(0, RunError.CANCELED if cancelled else RunError.NONE)

    def cancel(self, error=RunError.CANCELED, why=""):
        self._stop.set()


def test_a_clock_that_was_set_back_does_not_keep_a_cancel_waiting():
    rclpy.init(domain_id=free_domain())
    node = PolicyNode()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node._session = Session()
    tasks = RunTaskServer(node, node._session, lambda: SessionState(PolicyState.RUNNING))
    ended, statuses = [], []
    node._status = SimpleNamespace(publish=statuses.append)
    handle = SimpleNamespace(
        request=RunTask.Goal(instruction="go"), is_cancel_requested=False, is_active=True,
        publish_feedback=lambda feedback: None, canceled=lambda: ended.append("canceled"),
        abort=lambda: ended.append("aborted"), succeed=lambda: ended.append("succeeded"),
    )  # fmt: skip
    try:
        now = node.get_clock().now().nanoseconds
        task = executor.create_task(tasks.execute, handle)
        executor.spin_once(timeout_sec=0.1)
        node.get_clock()._set_ros_time_is_active(True)
        node.get_clock().set_ros_time_override(Time(nanoseconds=now - 3 * 10**9))
        handle.is_cancel_requested = True
        statuses.clear()
        end = time.monotonic() + 3.0
        while not task.done() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        assert ended == ["canceled"]
        while not statuses and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        assert statuses, "status goes on, too"
    finally:
        node._session.cancel()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
