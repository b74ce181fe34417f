"""A preflight of a running graph, and a draft of a card from it."""

import threading

import numpy as np
import pytest
import rclpy
from preflight_samples import card_with_small_pictures
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Float64MultiArray, String

from vla_bringup import cli
from vla_contract.card import parse_card
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_eval.graph_process import free_domain
from vla_eval.preflight.draft import as_yaml, todo_list
from vla_eval.preflight.draft_graph import draft_of_graph
from vla_eval.preflight.events import ImageEvent, JointEvent
from vla_eval.preflight.finding import PreflightError
from vla_eval.preflight.from_graph import Listener, sample_of_graph
from vla_eval.preflight.known import Known
from vla_eval.preflight.preflight import preflight
from vla_eval.preflight.topics import IMAGE, JOINTS
from vla_eval.preflight.write_bag import message_of
from vla_sim.urdf import robot_urdf

SIDE = 64


@pytest.fixture(scope="module")
def small_card():
    return card_with_small_pictures(SIDE)


@pytest.fixture(scope="module")
def domain():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        patch.setattr("vla_eval.preflight.from_graph.DISCOVERY_S", 1.0)  # all in one process
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


@pytest.mark.parametrize("words", [["check", "panda_tabletop", "--graph"], ["init", "--from-graph"]])
def test_a_namespace_that_is_no_ros_name_is_told_in_a_line(words, capsys):
    assert cli.main(["card", *words, "--namespace", "a b"]) == 2
    shown = capsys.readouterr().err
    assert "error: --namespace 'a b': " in shown and shown.count("\n") == 1
