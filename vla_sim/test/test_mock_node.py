"""The mock as a process: mistakes are one line, and a gripper that is told a number goes there."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from vla_contract.ros.qos import RELIABLE, SENSOR  # noqa: E402
from vla_sim.mock_node import MockNode  # noqa: E402

NODE = [sys.executable, "-m", "vla_sim.mock_node", "--ros-args"]


@pytest.fixture
def domain(monkeypatch):
    number = 30 + os.getpid() % 70
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    return number


@pytest.fixture
def card_file(card, tmp_path):
    content = card.to_dict()
    content["arms"][0]["gripper"].update(interface="binary", topic="tool/commands")
    content["cameras"] = [{**content["cameras"][0], "compressed": True}]
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["YAML"]),
        (["-p", "card:=CARD", "-p", "update_rate:=5.0"], ["update_rate", "50 to 2000"]),
        (["-p", "card:=CARD", "-p", "rule:=newest"], ["'newest'", "legacy"]),
        (["-p", "card:=CARD", "-p", "model:=missing.urdf"], ["missing.urdf"]),
    ],
)
def test_a_mistake_is_one_line_and_code_1(domain, card_file, arguments, words):
    arguments = [argument.replace("CARD", str(card_file)) for argument in arguments]
    done = subprocess.run(NODE + arguments, capture_output=True, text=True, timeout=60)
    errors = [line for line in done.stderr.splitlines() if line.startswith("mock: error:")]
    assert done.returncode == 1 and len(errors) == 1 and all(word in errors[0] for word in words), done.stderr
    assert "Traceback" not in done.stderr


def test_a_gripper_on_a_topic_and_a_compressed_camera(domain, card_file):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("probe", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    commands = node.create_publisher(Float64MultiArray, "tool/commands", RELIABLE)
    joints, images = {}, []
    node.create_subscription(JointState, "joint_states", lambda m: joints.update(zip(m.name, m.position)), SENSOR)
    node.create_subscription(CompressedImage, "front/image_raw/compressed", images.append, SENSOR)
    process = subprocess.Popen(
        [*NODE, "-p", f"card:={card_file}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    def until(condition):
        end = time.monotonic() + 30
        while not condition() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        return condition()

    try:
        assert until(lambda: joints and images and commands.get_subscription_count())
        assert joints["panda_finger_joint1"] == 0.04 and bytes(images[0].data[:2]) == b"\xff\xd8"
        commands.publish(Float64MultiArray(data=[0.01, 0.01]))
        commands.publish(Float64MultiArray(data=[float("nan")]))
        commands.publish(Float64MultiArray(data=[0.0]))
        assert until(lambda: joints["panda_finger_joint1"] == 0.0)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=15)
    finally:
        process.kill()
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert process.returncode == 0 and "Traceback" not in output
    assert "2 numbers, 1 is needed" in output and "position is nan" in output


def test_cameras_go_on_where_the_clock_is_set_back(domain, card_file):
    rclpy.init(args=["--ros-args", "-p", f"card:={card_file}"], domain_id=domain)
    node, probe = MockNode(threading.Event()), rclpy.create_node("probe", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(probe)
    images = []
    probe.create_subscription(CompressedImage, "front/image_raw/compressed", images.append, SENSOR)

    def until(condition):
        end = time.monotonic() + 10
        while not condition() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
        return condition()

    try:
        assert until(lambda: len(images) > 2)
        clock, earlier = node.get_clock(), node.get_clock().now().nanoseconds - 3 * 10**9
        clock._set_ros_time_is_active(True)
        clock.set_ros_time_override(Time(nanoseconds=earlier))
        images.clear()
        assert until(lambda: len(images) > 5)
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()
        probe.destroy_node()
        rclpy.shutdown()
