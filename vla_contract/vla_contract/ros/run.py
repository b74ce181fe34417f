"""Runs a node in its process: from parameters to a clean end."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from vla_contract.printing import tell, write_in_any_encoding
from vla_contract.ros.joining import JoinError, join_graph

POLL_S = 0.1
"""Longest time until a signal is noticed [s]."""


def run_node(make: Callable[[threading.Event], Node], name: str, mistakes: tuple[type[Exception], ...], code: int = 1) -> int:
    """Makes a node, spins it until SIGINT, SIGTERM or the event that it was given, closes it. Returns the exit code.

    Args:
        make: Makes the node. Setting the event ends it; then an attribute ``failure`` that is not None makes the code 1.
        name: For the line that tells a mistake of the user.
        mistakes: Exceptions of ``make`` that are the user's: told in one line.
        code: Of such a mistake; a verb's is 2.
    """
    write_in_any_encoding()
    try:
        join_graph()
    except JoinError as error:
        return _complain(name, error, code)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = make(ended)
        executor.add_node(node)
        while not ended.is_set():
            executor.spin_once(timeout_sec=POLL_S)
    except mistakes as error:
        return _complain(name, error, code)
    finally:
        if node is not None:
            close = getattr(node, "close", None)
            if close is not None:
                close()
        executor.shutdown()  # left to the garbage collector, its guard conditions are destroyed in any order
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    failure = getattr(node, "failure", None)
    return 0 if failure is None else _complain(name, failure)


def _complain(name: str, error: object, code: int = 1) -> int:
    tell(f"{name}: error: {'; '.join(str(error).splitlines())}", file=sys.stderr)
    return code
