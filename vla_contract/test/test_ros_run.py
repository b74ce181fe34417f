"""A node's process ends with nothing left to the garbage collector, which ends rclpy's objects in any order."""

import os
import subprocess
import sys

from vla_graph.domains import free_domain

PROGRAM = """
import gc, os, signal, threading
from rclpy.executors import Executor
from rclpy.node import Node
from vla_contract.ros.run import run_node

threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
code = run_node(lambda ended: Node("short_lived"), "short_lived", ())
left = [thing for thing in gc.get_objects() if isinstance(thing, Executor) and thing._sigint_gc is not None]
print(code, len(left))
"""


def test_the_executor_is_closed_before_the_process_ends():
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["0", "0"], "")


MISTAKEN = """
from vla_contract.ros.run import run_node

def make(ended):
    raise ValueError("no such thing")

print(run_node(make, "node", (ValueError,)), run_node(make, "verb", (ValueError,), 2))
"""


def test_a_mistake_is_one_line_and_the_code_of_who_runs_it():
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
    done = subprocess.run([sys.executable, "-c", MISTAKEN], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["1", "2"]
    assert done.stderr == "node: error: no such thing\nverb: error: no such thing\n"
