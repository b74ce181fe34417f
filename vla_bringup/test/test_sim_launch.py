"""The shipped launch file with real nodes, in processes: bring up, behaviour, exit codes."""

import os
import signal
import time

import pytest
import rclpy
from launching import assert_gone, process_ids, read_until, start_runner
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from vla_contract.shipped import find_launch_file
from vla_graph.domains import free_domain
from vla_msgs.msg import ControllerStatus
from vla_msgs.srv import Reset

TIMEOUT = 40.0  # [s]


@pytest.fixture
def node(monkeypatch):
    """A ROS node in a domain of its own, which processes started by the test share."""
    domain = free_domain()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("probe", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def spin_until(node, condition) -> None:
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the graph did not come up"
        executor.spin_once(timeout_sec=0.1)
    executor.remove_node(node)
    executor.shutdown()


def test_simulator_and_controller_come_up_and_the_death_of_one_ends_the_other(node):
    states, images = [], []
    node.create_subscription(ControllerStatus, "cell/vla/controller_status", lambda m: states.append(m.state), 10)
    node.create_subscription(Image, "cell/front/image_raw", images.append, qos_profile_sensor_data)
    reset = node.create_client(Reset, "cell/vla_sim/reset")
    runner = start_runner(find_launch_file("sim"), "policy:=false", "namespace:=cell")
    try:
        output = read_until(runner, "controller started")
        _, controller = process_ids(output)
        spin_until(node, lambda: states and states[-1] == ControllerStatus.IDLE and images and reset.service_is_ready())
        assert (images[0].width, images[0].height, images[0].encoding) == (224, 224, "rgb8")
        answer = reset.call_async(Reset.Request(task="no_such_task", seed=1))
        spin_until(node, answer.done)
        assert not answer.result().success and "pick" in answer.result().message
        os.kill(controller, signal.SIGKILL)
        rest, _ = runner.communicate(timeout=20)
    finally:
        runner.kill()
    assert runner.returncode == 1
    assert "controller was ended by SIGKILL; it is required" in rest and "sim ended with code 0" in rest
    assert_gone(process_ids(output))


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_ctrl_c_while_the_nodes_are_still_starting_is_quiet(node, seconds):
    runner = start_runner(find_launch_file("sim"), "policy:=false")
    output = read_until(runner, "controller started")
    time.sleep(seconds)
    runner.send_signal(signal.SIGINT)
    rest, _ = runner.communicate(timeout=TIMEOUT)
    assert runner.returncode == 0, rest
    assert "Traceback" not in rest
    assert_gone(process_ids(output))
