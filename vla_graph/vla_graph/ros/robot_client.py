"""Asks the nodes of one robot something, from a process that lives for as long as the question takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from vla_contract.namespaces import robots_in
from vla_contract.ros.joining import join_graph
from vla_contract.ros.names import namespace_problem
from vla_contract.ros.namespaces import absent_namespace, names_of_others
from vla_contract.ros.rival_watch import LOOK_S, publishers_of
from vla_graph.errors import RobotError
from vla_graph.transport import use_udp_alone

_POLL_S = 0.02
SETTLE_S = 0.6
"""From a reset until an arm that was put elsewhere is taken as it stands [s]."""


class RobotClient:
    """A node in the robot's namespace, spun only while something is waited for. Use it as a context manager.

    Args:
        namespace: Of the robot, with or without the slash before it; "" is none.

    Raises:
        RobotError: The namespace is none that ROS allows.
    """

    def __init__(self, namespace: str) -> None:
        problem = namespace_problem(namespace)
        if problem:
            raise RobotError(f"--namespace '{namespace}': {problem}")
        use_udp_alone(os.environ)
        self._context = Context()
        join_graph(self._context)
        self.node = Node(
            f"vla_command_{os.getpid()}", namespace=namespace, context=self._context, enable_rosout=False,
            start_parameter_services=False,
        )  # fmt: skip
        self._made_at = time.monotonic()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self) -> RobotClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def until(self, condition: Callable[[], object], timeout: float) -> bool:
        """Spins until the condition holds, at most `timeout` [s]. Returns whether it does."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=_POLL_S)
        return True

    def full_name(self, name: str) -> str:
        """A name of this robot as the graph shows it."""
        return f"{self.node.get_namespace().rstrip('/')}/{name}"

    def wait_known(self) -> None:
        """Spins until the nodes that were there before this one are known."""
        self.until(lambda: False, self._made_at + LOOK_S - time.monotonic())

    def publishers(self, name: str) -> list[str]:
        """Full names of the nodes that publish on a topic of this robot, one for each publisher."""
        return publishers_of(self.node, self.full_name(name))

    def missing(self, kind: str, name: str, who: str, seconds: float) -> RobotError:
        """That nobody offers a service or an action, and where to look."""
        domain = os.environ.get("ROS_DOMAIN_ID", "0")
        words = f"no {kind} {self.full_name(name)} after {seconds:g} s: {who}"
        words += f", under this --namespace and ROS_DOMAIN_ID ({domain})?"
        absent = absent_namespace(self.node, self.node.get_namespace())
        if absent:
            return RobotError(f"{words} There is {absent}")
        others = [robot for robot in robots_in(names_of_others(self.node)) if robot.strip("/")]
        at_root = not self.node.get_namespace().strip("/")
        return RobotError(f"{words} There are robots in {', '.join(others)}" if at_root and others else words)

    def call(self, kind: type, name: str, request: object, who: str, timeout: float, again_after: float | None = None):
        """Calls a service; returns its answer.

        Args:
            kind: Type of the service.
            name: Its name, relative to the namespace.
            request: What to send.
            who: For the message where nobody offers it, as a question: "is the controller running".
            timeout: For finding it, and again for its answer [s].
            again_after: Where asking twice does no harm: ask again where no answer has come for so long [s].

        Raises:
            RobotError: Nobody offers it, or no answer came.
        """
        client = self.node.create_client(kind, name)
        if not self.until(client.service_is_ready, timeout):
            raise self.missing("service", name, who, timeout)
        answers = []
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answers.append(client.call_async(request))
            left = max(0.0, deadline - time.monotonic())
            if self.until(lambda: any(a.done() for a in answers), left if again_after is None else min(again_after, left)):
                return next(a for a in answers if a.done()).result()
        raise RobotError(f"{self.full_name(name)} gave no answer in {timeout:g} s: its node hangs, or is dead")
