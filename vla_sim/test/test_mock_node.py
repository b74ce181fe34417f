"""The mock as a process: mistakes are one line, and a gripper that is told a number goes there."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from control_msgs.msg import JointTrajectoryControllerState  # noqa: E402
from geometry_msgs.msg import WrenchStamped  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from vla_contract.card import load_card  # noqa: E402
from vla_contract.ros.images import pixels_of  # noqa: E402
from vla_contract.ros.qos import RELIABLE, SENSOR  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_sim.mock import synthetic_image  # noqa: E402
from vla_sim.ros.mock_node import MockNode  # noqa: E402

NODE = [sys.executable, "-m", "vla_sim.ros.mock_node", "--ros-args"]


@pytest.fixture
def domain(monkeypatch):
    number = free_domain()
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
        (["-p", "card:=CARD", "-p", "controller_state_rate:=900.0"], ["controller_state_rate", "900", "125"]),
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
        assert joints["panda_finger_joint1"] == 0.04 and images[0].format == "rgb8; jpeg compressed bgr8"
        camera = load_card(card_file).cameras[0]
        colours = [np.median(pixels_of(camera, images[0])[..., c]) for c in range(3)]
        right = [np.median(synthetic_image(camera, 0)[..., c]) for c in range(3)]
        assert np.allclose(colours, right, atol=4) and right[0] > right[2] + 10, "red as red"
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


def test_trajectory_controllers_fall_silent_and_speak_again(domain, card_file):
    """What a controller manager's deactivation looks like from outside, and a move that is dropped meanwhile."""
    rclpy.init(args=["--ros-args", "-p", f"card:={card_file}", "-p", "images:=false"], domain_id=domain)
    node, probe = MockNode(threading.Event()), rclpy.create_node("probe", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(probe)
    states, joints = [], {}
    arm = "panda_arm_controller"
    probe.create_subscription(JointTrajectoryControllerState, f"{arm}/controller_state", states.append, SENSOR)
    probe.create_subscription(JointState, "joint_states", lambda m: joints.update(zip(m.name, m.position)), SENSOR)
    commands = probe.create_publisher(JointTrajectory, f"{arm}/joint_trajectory", RELIABLE)
    switch = probe.create_client(SetBool, "mock/set_active")

    def until(condition, seconds=10):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.02)
        return condition()

    def set_active(active):
        future = switch.call_async(SetBool.Request(data=active))
        assert until(future.done) and future.result().success

    def move_first_joint_to(position):
        names = states[-1].joint_names
        point = JointTrajectoryPoint(positions=[position, *states[-1].reference.positions[1:]])
        point.time_from_start.nanosec = 50_000_000
        commands.publish(JointTrajectory(joint_names=names, points=[point]))

    try:
        assert until(lambda: len(states) > 3 and joints and switch.service_is_ready() and commands.get_subscription_count())
        assert list(states[-1].reference.positions) == list(states[-1].feedback.positions)
        assert states[-1].speed_scaling_factor == 1.0 and states[-1].header.stamp.sec > 0
        at = joints["panda_joint1"]
        set_active(False)
        until(lambda: False, 0.1)
        states_before = len(states)
        move_first_joint_to(at + 0.2)
        until(lambda: False, 0.5)
        assert len(states) == states_before and joints["panda_joint1"] == at
        set_active(True)
        assert until(lambda: len(states) > states_before + 3) and states[-1].reference.positions[0] == at
        move_first_joint_to(at + 0.1)
        assert until(lambda: abs(joints["panda_joint1"] - at - 0.1) < 1e-9)
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()
        probe.destroy_node()
        rclpy.shutdown()


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


def test_every_topic_of_the_card_is_served_where_it_says(domain, card, tmp_path):
    """In a namespace: a gripper's position on a topic of its own, a force sensor and a camera outside of it."""
    finger = card.arms[0].gripper.joint
    content = card.to_dict()
    content["cameras"] = [{**content["cameras"][0], "topic": "/rig/top/image_raw"}]
    content["state"]["sources"] = [
        {"topic": "hand/state", "type": "joint_states", "joints": [finger], "max_age": 0.2},
        {"topic": "/ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.2},
    ]
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump(content))
    words = ["--ros-args", "-p", f"card:={path}", "-r", "__ns:=/left"]
    rclpy.init(args=words, domain_id=domain)
    node, probe = MockNode(threading.Event()), rclpy.create_node("probe", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(probe)
    heard = {}
    for topic, kind in {
        "/left/joint_states": JointState, "/left/hand/state": JointState, "/ft/wrench": WrenchStamped,
        "/rig/top/image_raw": Image, "/rig/top/camera_info": CameraInfo,
    }.items():  # fmt: skip
        probe.create_subscription(kind, topic, lambda m, t=topic: heard.__setitem__(t, m), SENSOR)
    try:
        end = time.monotonic() + 15
        while len(heard) < 5 and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.02)
        published = {name for name, _ in probe.get_topic_names_and_types()}
    finally:
        node.close()
        executor.shutdown()
        rclpy.shutdown()
    assert len(heard) == 5, heard.keys()
    assert list(heard["/left/joint_states"].name) == card.arms[0].joints and list(heard["/left/hand/state"].name) == [finger]
    assert list(heard["/left/hand/state"].position) == [card.arms[0].gripper.open_position]
    assert heard["/ft/wrench"].header.stamp.sec > 0 and not {"/left/rig/top/image_raw", "/left/ft/wrench"} & published
