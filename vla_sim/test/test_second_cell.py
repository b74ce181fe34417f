"""Two simulated cells, or a robot beside one, in one namespace: as processes in a ROS graph."""

import subprocess
import sys

import pytest
from shipped_paths import CARD

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from vla_contract.ros.qos import SENSOR  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402

MOCK, SIM = "vla_sim.ros.mock_node", "vla_sim.ros.node"


@pytest.fixture
def robot(monkeypatch):
    """Another robot's node, in a context of its own; it publishes nothing yet."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("driver", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def start(module: str, *words: str) -> subprocess.Popen:
    code = f"from {module} import main; main()"
    command = [sys.executable, "-c", code, "--ros-args", "-p", f"card:={CARD}", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(process: subprocess.Popen) -> str:
    """What it says at its end, with code 1 and in one line."""
    try:
        output = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    errors = [line for line in output.splitlines() if ": error: " in line]
    assert process.returncode == 1 and len(errors) == 1 and "Traceback" not in output, output
    return errors[0]


@pytest.mark.parametrize("module", [MOCK, SIM])
def test_beside_a_robot_it_does_not_start(robot, module):
    robot.create_publisher(JointState, "joint_states", SENSOR)
    name = "mock" if module is MOCK else "sim"
    assert ended(start(module)) == (
        f"{name}: error: /driver publishes joint states (/joint_states) already: end it first, or start this one in another "
        "namespace or ROS_DOMAIN_ID"
    )


def test_a_second_clock_is_told_where_it_would_publish_one(robot):
    robot.create_publisher(Clock, "/clock", SENSOR)
    assert "/driver publishes the clock (/clock) already" in ended(start(SIM, "-p", "publish_clock:=true"))


def test_a_robot_that_comes_later_ends_it(robot):
    process = start(MOCK, "-p", "images:=false")
    try:
        for line in process.stdout:
            if "no robot:" in line:
                break
        robot.create_publisher(JointState, "joint_states", SENSOR)
        line = ended(process)
    finally:
        process.kill()
    assert line.startswith("mock: error: /driver publishes joint states (/joint_states) beside this node: ended")
