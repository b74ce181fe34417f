"""The policy node in its process: from parameters to a clean end, at which the arm has been told to brake."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # threads that spin would take the cores from simulator and controller

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor

from vla_contract.printing import tell, write_in_any_encoding
from vla_contract.rivals import RivalError
from vla_contract.ros.joining import JoinError, join_graph
from vla_contract.status import RunError
from vla_policy_node.ros.node import PolicyNode
from vla_policy_node.ros.run_task import WORKER_END_S

SPIN_S = 0.2


def main() -> int:
    """Runs the node until SIGINT or SIGTERM. 1 where it is to start by itself and cannot, or another policy is there."""
    write_in_any_encoding()
    try:
        join_graph()
    except JoinError as error:
        tell(f"policy: error: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = PolicyNode()
        executor.add_node(node)
        if not node.start():
            return 1
        while not ended.is_set():
            executor.spin_once(timeout_sec=SPIN_S)
        node.end_run(RunError.SHUTDOWN, wait=False)
        until = time.monotonic() + WORKER_END_S
        while node.running and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.05)
        for _ in range(10):  # the result has to leave, too
            executor.spin_once(timeout_sec=0.02)
    except (ParameterException, RivalError, ValueError) as error:
        tell(f"policy: error: {error}", file=sys.stderr)
        return 1
    finally:
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
