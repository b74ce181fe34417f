"""A preflight of a running graph, and a draft of a card from it."""

import threading
import time

import control_msgs.action
import numpy as np
import pytest
import rclpy
from control_msgs.msg import JointTrajectoryControllerState
from geometry_msgs.msg import WrenchStamped
from preflight_samples import card_with_small_images
from rclpy.action import ActionServer
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from vla_bench.preflight.write_bag import message_of
from vla_bringup import cli
from vla_contract.card import parse_card
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_graph.domains import free_domain
from vla_replay.preflight.draft import as_yaml, todo_list
from vla_replay.preflight.events import ImageEvent, JointEvent
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import Known
from vla_replay.preflight.preflight import preflight
from vla_replay.preflight.topics import IMAGE, JOINTS
from vla_replay.ros.draft_graph import draft_of_graph
from vla_replay.ros.preflight_graph import Listener, sample_of_graph
from vla_sim.urdf import robot_urdf

SIDE = 64


@pytest.fixture(scope="module")
def small_card():
    return card_with_small_images(SIDE)


@pytest.fixture(scope="module")
def domain():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        patch.setattr("vla_replay.ros.preflight_graph.DISCOVERY_S", 1.0)  # all in one process
        yield


@pytest.fixture
def robot(small_card, domain):
    """Front camera at 30 Hz, a depth camera, joint states from two publishers, a gripper topic of another type."""
    ended, started = threading.Event(), threading.Event()
    thread = threading.Thread(target=_publish, args=(small_card, started, ended))
    thread.start()
    assert started.wait(10.0)
    yield
    ended.set()
    thread.join(10.0)


def _publish(card, started, ended):
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("robot", namespace="left", context=context)
    images = node.create_publisher(Image, card.cameras[0].topic, SENSOR)
    depth = node.create_publisher(Image, "depth/image_raw", SENSOR)
    states = [node.create_publisher(JointState, card.state.topic, SENSOR) for _ in range(2)]
    node.create_publisher(Float64MultiArray, card.arms[0].gripper.topic, RELIABLE)
    node.create_publisher(String, "robot_description", LATCHED).publish(String(data=robot_urdf()))
    rng = np.random.default_rng(0)
    names = (card.arms[0].gripper.joint, *card.arms[0].joints[::-1])
    position = np.array([0.04, *card.arms[0].home[::-1]])
    while not ended.wait(1 / 30):
        now = node.get_clock().now().nanoseconds
        pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        images.publish(message_of(ImageEvent("", IMAGE, now, now, "rgb8", SIDE, SIDE, pixels)))
        depth.publish(message_of(ImageEvent("", IMAGE, now, now, "16UC1", SIDE, SIDE, pixels)))
        states[0].publish(message_of(JointEvent("", JOINTS, now, now, names, {"position": position})))
        started.set()
    node.destroy_node()
    context.try_shutdown()


def test_an_empty_graph_is_told_at_once(domain):
    with pytest.raises(PreflightError, match="no node in the graph"), Listener() as alone:
        alone.discover()


def test_what_the_graph_lacks_is_told_and_what_it_has_is_not(small_card, robot):
    sample = sample_of_graph(small_card, namespace="left", seconds=1.5)
    told = {(finding.check, finding.field) for finding in preflight(small_card, sample, Known()).findings}
    assert told >= {
        ("presence", "cameras[1].topic"), ("presence", "arms[0].trajectory_topic"), ("type", "arms[0].gripper.topic"),
        ("publishers", "state.topic"),
    }  # fmt: skip
    assert not any(field.startswith("cameras[0]") for check, field in told if check not in ("rate", "jitter"))
    assert sample.streams["front/image_raw"].count > 10 and "panda_joint4.position" in sample.state


def test_a_namespace_that_is_not_in_the_graph_is_never_the_robot_that_is(robot, capsys, monkeypatch):
    monkeypatch.setattr("vla_contract.ros.namespaces.KNOWN_S", 1.0)
    for words in (["check", "panda_tabletop", "--graph"], ["init", "--from-graph"]):
        assert cli.main(["card", *words, "--namespace", "right"]) == 2
        assert "error: no namespace /right in the graph; it has /left" in capsys.readouterr().err


def test_a_camera_outside_the_namespace_is_heard_there_alone(small_card, robot):
    """`front/image_raw` of the robot itself goes on all the while, and is not it."""
    content = small_card.to_dict()
    content["cameras"][0]["topic"] = "/cell/image_raw"
    card = parse_card(content)
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("camera", context=context)
    publisher = node.create_publisher(Image, "/cell/image_raw", SENSOR)
    pixels = np.full((SIDE, SIDE, 3), 77, np.uint8)
    ended = threading.Event()

    def publish():
        while not ended.wait(1 / 20):
            now = node.get_clock().now().nanoseconds
            publisher.publish(message_of(ImageEvent("", IMAGE, now, now, "rgb8", SIDE, SIDE, pixels)))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        sample = sample_of_graph(card, namespace="left", seconds=1.0)
    finally:
        ended.set()
        thread.join(10.0)
        node.destroy_node()
        context.try_shutdown()
    assert sample.streams["/cell/image_raw"].count > 5 and len(set(sample.cameras["front"].digest)) == 1
    assert not any(f.check == "presence" for f in preflight(card, sample, Known()).findings if f.field == "cameras[0].topic")


@pytest.mark.parametrize("served", [None, "GripperCommand", "ParallelGripperCommand"])
def test_the_action_of_a_gripper_has_to_be_there_and_of_the_cards_type(small_card, robot, served):
    content = small_card.to_dict()
    content["arms"][0]["gripper"].update(interface="parallel_gripper_command", topic=f"hand_{served}/gripper_cmd")
    card = parse_card(content)
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("hand", namespace="left", context=context)
    if served:
        ActionServer(node, getattr(control_msgs.action, served), f"hand_{served}/gripper_cmd", lambda handle: None)
    try:
        sample = sample_of_graph(card, namespace="left", seconds=0.5)
    finally:
        node.destroy_node()
        context.try_shutdown()
    found = preflight(card, sample, Known()).findings
    told = {finding.check: finding for finding in found if finding.field == "arms[0].gripper.topic"}
    assert set(told) == ({"presence"} if served is None else {"type"} if served == "GripperCommand" else set())
    if served == "GripperCommand":
        text = str(told["type"])
        assert "control_msgs/action/GripperCommand" in text and "interface: gripper_command" in text


def test_a_draft_of_the_graph_loads_and_lists_what_is_missing(small_card, robot):
    draft = draft_of_graph(namespace="left", seconds=1.0)
    text = as_yaml(draft)
    card = parse_card(text)
    arm, shipped = card.arms[0], small_card.arms[0]
    assert arm.joints == shipped.joints and arm.gripper.joint == "panda_finger_joint1"
    assert arm.base_frame == "panda_link0" and arm.home == pytest.approx(shipped.home, abs=1e-3)
    assert arm.limits.position_upper == pytest.approx(shipped.limits.position_upper, abs=1e-3)
    assert arm.limits.velocity == pytest.approx(shipped.limits.velocity, abs=1e-3)
    assert [(c.name, c.topic, c.width, c.height) for c in card.cameras] == [("front", "front/image_raw", SIDE, SIDE)]
    assert 15 < card.cameras[0].rate < 45
    assert "# Left out: depth/image_raw: encoding '16UC1'" in text
    todo = todo_list(text)
    assert {line.split(":")[0] for line in todo} >= {"arms[0].trajectory_topic", "arms[0].tool_frame", "action.space", "tasks[0]"}
    assert not any(line.startswith("cameras[0].rate") for line in todo)
    assert text.count("# TODO: ") == len(todo)


JOINTS_OF_UR = ["shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3"]


@pytest.fixture
def real_robot(domain):
    """As a driver comes up: joints in alphabetical order, two trajectory controllers for them of which one is active, one more
    that says its joints only as a parameter, a gripper's action and position on topics of its own, a force sensor."""
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    names = ("driver", "active_jtc", "idle_jtc", "lift_jtc", "tool_ctl")
    nodes = [Node(name, namespace="cell", context=context) for name in names]
    driver, active, idle, lift, tool = nodes
    for node in (active, idle, lift):
        node.create_subscription(JointTrajectory, f"{node.get_name()}/joint_trajectory", lambda m: None, RELIABLE)
    for node in (active, idle):
        node.declare_parameter("joints", JOINTS_OF_UR)
    lift.declare_parameter("joints", ["lift"])
    tool.declare_parameter("joint", "robotiq_85_left_knuckle")
    ActionServer(tool, control_msgs.action.GripperCommand, "tool_ctl/gripper_cmd", lambda handle: None)
    publish = {
        "joint_states": (driver, JointState), "tool/state": (tool, JointState), "old/joint_states": (driver, JointState),
        "ft/wrench": (driver, WrenchStamped), "active_jtc/controller_state": (active, JointTrajectoryControllerState),
        "/rig/image_raw": (driver, Image), "/rig/image_raw/compressed": (driver, CompressedImage),
        "top/image_raw": (driver, Image), "top/image_raw/compressed": (driver, CompressedImage),
        "silent/image_raw": (driver, Image),
    }  # fmt: skip
    senders = {name: node.create_publisher(kind, name, SENSOR) for name, (node, kind) in publish.items()}
    ended, executor = threading.Event(), SingleThreadedExecutor(context=context)
    for node in nodes:
        executor.add_node(node)

    def run():
        while not ended.is_set():
            names = sorted([*JOINTS_OF_UR, "lift", "conveyor"])
            senders["joint_states"].publish(JointState(name=names, position=[0.1 * k for k in range(len(names))]))
            senders["old/joint_states"].publish(JointState(name=names[:2], position=[0.0, 0.0]))
            senders["tool/state"].publish(JointState(name=["robotiq_85_left_knuckle"], position=[0.4]))
            senders["active_jtc/controller_state"].publish(JointTrajectoryControllerState(joint_names=JOINTS_OF_UR))
            for name in ("/rig/image_raw", "top/image_raw"):
                message = Image(width=SIDE, height=SIDE, step=3 * SIDE, encoding="bgr8", data=bytes(3 * SIDE * SIDE))
                message.header.stamp = driver.get_clock().now().to_msg()
                senders[name].publish(message)
            until = time.monotonic() + 0.03
            while time.monotonic() < until:
                executor.spin_once(timeout_sec=0.01)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    ended.set()
    thread.join(10.0)
    executor.shutdown()
    context.try_shutdown()


def test_a_draft_asks_the_controllers_and_names_all_that_it_left_out(real_robot, tmp_path, capsys):
    assert cli.main(["card", "init", "--from-graph", "--namespace", "cell", "--out", str(tmp_path / "card.yaml")]) == 0
    shown, text = capsys.readouterr(), (tmp_path / "card.yaml").read_text()
    card = parse_card(text)
    assert [(arm.name, arm.joints, arm.trajectory_topic) for arm in card.arms] == [
        ("active_jtc", JOINTS_OF_UR, "active_jtc/joint_trajectory"), ("lift_jtc", ["lift"], "lift_jtc/joint_trajectory"),
    ]  # fmt: skip
    (gripper,) = (arm.gripper for arm in card.arms if arm.gripper)
    assert (gripper.joint, gripper.interface, gripper.topic) == (
        "robotiq_85_left_knuckle", "gripper_command", "tool_ctl/gripper_cmd",
    )  # fmt: skip
    assert card.state.topic == "joint_states"
    assert [(s.topic, s.type, s.joints) for s in card.state.sources] == [("tool/state", "joint_states", [gripper.joint])]
    assert card.state.fields[:2] == ["shoulder_pan.position", "shoulder_lift.position"]
    assert [(camera.topic, camera.encoding) for camera in card.cameras] == [("top/image_raw", "bgr8")]
    left_out = {
        "idle_jtc/joint_trajectory": "it moves joints that 'active_jtc/joint_trajectory' moves, too",
        "old/joint_states": "its joints are told on 'joint_states' already",
        "ft/wrench": "a force sensor; where the policy is to feel it",
        "joint conveyor": "measured, and moved by no arm or gripper",
        "top/image_raw/compressed": "beside the raw images",
        "silent/image_raw": "no image came",
        "/rig/image_raw": "outside /cell/; write its absolute name",
        "/rig/image_raw/compressed": "outside /cell/; write the absolute name without /compressed",
    }
    for topic, why in left_out.items():
        assert f"# Left out: {topic}: {why}" in text, topic
        assert f"left out: {topic}: {why}" in shown.err, topic
    assert text.count("# Left out: ") == shown.err.count("left out: ") == len(left_out), text


@pytest.mark.parametrize("words", [["check", "panda_tabletop", "--graph"], ["init", "--from-graph"]])
def test_a_namespace_that_is_no_ros_name_is_told_in_a_line(words, capsys):
    assert cli.main(["card", *words, "--namespace", "a b"]) == 2
    shown = capsys.readouterr().err
    assert "error: --namespace 'a b': " in shown and shown.count("\n") == 1
