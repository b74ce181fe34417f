"""The recorder as a process: killed, ended by Ctrl-C, started by a launch file, and told of mistakes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import Image, JointState
from shipped_paths import CARD
from std_msgs.msg import String

from vla_bags.reader import Bag
from vla_bench.kills.recorder import kill_recorder
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR
from vla_contract.shipped import find_launch_file
from vla_graph.domains import free_domain
from vla_graph.launch.description import plan_launch
from vla_msgs.msg import ChunkReport, ControllerStatus

pytestmark = pytest.mark.timeout(90)


def test_a_killed_recorder_leaves_all_but_its_last_moment():
    result = kill_recorder(1, seed=2)
    assert result["kills"] == 1 and result["messages"] > 200, result
    assert not any(result[key] for key in ("unreadable", "lost", "invented", "without_metadata", "problems")), result
    assert result["worst_loss_s"] <= 1.5


@contextmanager
def _node(domain: int):
    context = Context()
    rclpy.init(context=context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("publisher", namespace="/cell", context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def _vla(*words: str, domain: int) -> subprocess.Popen:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, "-m", "vla_bringup.cli", "record", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_ctrl_c_ends_a_bag_with_every_topic_whatever_its_quality_of_service(tmp_path, card):
    domain, bag = free_domain(), tmp_path / "bag"
    with _node(domain) as node:
        node.create_publisher(String, "robot_description", LATCHED).publish(String(data="<robot/>"))
        status = node.create_publisher(ControllerStatus, "vla/controller_status", RELIABLE)
        states = node.create_publisher(JointState, "joint_states", SENSOR)
        process = _vla("--namespace", "cell", "--out", str(bag), domain=domain)
        images = reports = None
        try:
            deadline, sent = time.monotonic() + 30, 0
            while sent < 20 and time.monotonic() < deadline:
                time.sleep(0.02)
                if not states.get_subscription_count() or not status.get_subscription_count():
                    continue
                # These come late, and the images from a second publisher, too, that offers less than the first.
                images = images or [node.create_publisher(Image, "front/image_raw", qos) for qos in (RELIABLE, SENSOR)]
                reports = reports or node.create_publisher(ChunkReport, "vla/chunk_report", RELIABLE)
                if reports.get_subscription_count() and all(p.get_subscription_count() for p in images):
                    sent += 1
                    states.publish(JointState(name=["a"], position=[0.1 * sent]))
                    status.publish(ControllerStatus(card_hash=card.card_hash))
                    reports.publish(ChunkReport(sequence=sent, message="späte Nachricht"))
                    for k, publisher in enumerate(images):
                        publisher.publish(Image(width=1, height=1, step=3, data=[k, 0, sent]))
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=20)[0]
        finally:
            process.kill()
    assert process.returncode == 0, output
    assert sent == 20 and "Traceback" not in output, output
    with Bag(bag) as read:
        assert not read.truncated and read.card().card_hash == card.card_hash and read.metadata["namespace"] == "cell"
        counts = {name: topic.count for name, topic in read.topics.items()}
        assert counts["/cell/robot_description"] == 1 and counts["/cell/vla/chunk_report"] == 20, counts
        assert counts["/cell/joint_states"] >= 15 and counts["/cell/front/image_raw"] >= 30, counts
        assert read.find("vla/chunk_report") == "/cell/vla/chunk_report"
    with AnyReader([bag]) as reader:  # as they came over the wire, empty lists and all
        decoded = {c.topic: reader.deserialize(data, c.msgtype) for c, _, data in reader.messages()}
    assert decoded["/cell/vla/chunk_report"].message == "späte Nachricht"

    process = _vla("--out", str(bag), domain=domain)
    output = process.communicate(timeout=30)[0]
    assert process.returncode == 2 and output.count("\n") == 1 and "never overwritten" in output, output


def test_the_node_refuses_a_topic_that_ros_does_not_allow(tmp_path):
    words = ["-p", f"card:={CARD}", "-p", "topics:=['front image']", "-p", f"out:={tmp_path / 'bag'}"]
    command = [sys.executable, "-m", "vla_bags.ros.recorder_node", "--ros-args", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "recorder: error: topic 'front image': invalid topic name" in done.stderr and not (tmp_path / "bag").exists()


@pytest.mark.parametrize("name", ["sim", "real"])
def test_a_graph_that_is_to_be_recorded_does_not_go_on_without_its_recorder(name):
    path = find_launch_file(name)
    arguments = {"card": "/cell.yaml", "record": "true", "record_to": "/data/run 1", "namespace": "cell"}
    recorder = plan_launch(path, arguments).processes[-1]
    assert recorder.name == "recorder" and recorder.required
    assert {'out:="/data/run 1"', 'card:="/cell.yaml"', "__ns:=/cell"} <= set(recorder.command)
    arguments["record"] = "false"
    assert "recorder" not in [process.name for process in plan_launch(path, arguments).processes]
    assert Path(recorder.command[0]).name == "recorder"


def test_a_namespace_that_nobody_is_in_is_refused(tmp_path):
    domain = free_domain()
    with _node(domain) as node:
        node.create_publisher(ControllerStatus, "vla/controller_status", RELIABLE)
        process = _vla("--namespace", "right", "--out", str(tmp_path / "bag"), domain=domain)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 2 and output.count("\n") == 1 and not (tmp_path / "bag").exists()
    assert "recorder: error: no namespace /right in the graph; it has /cell; start the robot first" in output
