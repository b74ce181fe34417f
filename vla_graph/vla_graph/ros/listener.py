"""What the running graph says, heard in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport
from vla_contract.ros.convert import chunk_from_msg, report_from_msg
from vla_contract.ros.joining import join_graph
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_graph.errors import GraphError
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import ControllerStatus, PolicyInfo, PolicyStatus, TaskState


@dataclass
class Heard:
    """What the graph has said since the last `clear`, each with its arrival on the steady clock [ns]."""

    chunks: list[tuple[int, ActionChunk]] = field(default_factory=list)
    reports: list[tuple[int, ChunkReport]] = field(default_factory=list)
    task_states: list[TaskState] = field(default_factory=list)
    policy_states: list[int] = field(default_factory=list)
    controller_states: list[int] = field(default_factory=list)


class GraphListener:
    """Hears sim, policy and controller in a thread of its own.

    Use it as a context manager; it needs an environment in which the graph's domain is visible.

    Args:
        name: Of its node.
        keep_chunks: Chunks and their reports are heard. Reading them takes a millisecond each.
    """

    def __init__(self, name: str = "vla_client", *, keep_chunks: bool = True) -> None:
        self._context = Context()
        join_graph(self._context)
        self.node = Node(name, context=self._context)
        self.heard = Heard()
        self.policy_info: PolicyInfo | None = None
        self.policy_status: PolicyStatus | None = None
        self.controller_status: ControllerStatus | None = None
        self.task_state: TaskState | None = None
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

    def __enter__(self) -> GraphListener:
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

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
        """Wait for a condition on what is heard.

        Raises:
            GraphError: Not true in time; the message has `what` and what policy and controller say.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise GraphError(f"waited {timeout:.0f} s for {what}; {self.what_they_say()}")
            time.sleep(0.01)

    def what_they_say(self) -> str:
        """The newest messages of policy and controller."""
        policy = self.policy_status.message if self.policy_status else "nothing heard"
        controller = self.controller_status.message if self.controller_status else "nothing heard"
        return f"policy: {policy or 'no complaint'}; controller: {controller or 'no complaint'}"
