"""The live view, against a publisher in a ROS domain of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rclpy
from ledger_samples import MS, make_chunk, make_reports
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from sensor_msgs.msg import Image, JointState

from vla_contract.ros.convert import chunk_to_msg, report_to_msg
from vla_contract.ros.qos import RELIABLE, SENSOR
from vla_contract.ros.stamps import ns_to_stamp
from vla_evidence.ledger.stamps import LedgerError
from vla_evidence.ros.live_ledger import watch
from vla_graph.domains import free_domain
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def domain():
    """Of its own, so that graphs on the same computer do not meet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        yield os.environ["ROS_DOMAIN_ID"]


@pytest.fixture
def cell(domain, card):
    """Publishes chunks with reports, images and joint states at 20 Hz in the namespace /cell."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("cell", namespace="cell", context=context)
    chunks = node.create_publisher(ChunkMsg, "vla/action_chunk", RELIABLE)
    reports = node.create_publisher(ReportMsg, "vla/chunk_report", RELIABLE)
    images = [node.create_publisher(Image, camera.topic, SENSOR) for camera in card.cameras]
    states = node.create_publisher(JointState, card.state.topic, SENSOR)
    over = threading.Event()

    def work():
        sequence = 0
        while not over.wait(0.05):
            now = ns_to_stamp(time.time_ns())
            for publisher in images:
                message = Image(width=8, height=8, encoding="rgb8", step=24, data=bytes(192))
                message.header.stamp = now
                publisher.publish(message)
            state = JointState(name=["panda_joint1"], position=[0.0])
            state.header.stamp = now
            states.publish(state)
            chunk = make_chunk(card, sequence, actions=np.zeros((2, card.action_dim)))
            chunks.publish(chunk_to_msg(chunk))
            for report in make_reports(chunk):
                reports.publish(report_to_msg(report))
            sequence += 1

    thread = threading.Thread(target=work)
    thread.start()
    yield node
    over.set()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_window_of_the_running_graph(cell, card):
    console = Console(width=140, record=True, file=open(os.devnull, "w"))
    content = watch(card, namespace="cell", once=True, window_s=2.5, console=console).as_dict()
    overall = content["overall"]
    assert overall["sent"] >= 10 and overall["ledger_share"] == 1.0 and overall["identity"]["largest_error_ns"] == 0
    assert overall["parts"]["transport"]["p50_ms"] == 2.0
    for name in (*card.camera_names, "joint_states"):
        assert (
            content["cadence"][name]["messages"] >= 10
            and content["cadence"][name]["interval"]["p50_ms"] >= 40 * MS / 1e6
        )
    assert content["source"] == "live" and content["seconds"] <= 2.5
    assert "age at actuation" in console.export_text()


def test_ctrl_c_ends_the_view_quietly(cell, domain, tmp_path):
    out = tmp_path / "ledger.json"
    command = [sys.executable, "-m", "vla_bringup.cli", "ledger", "--live", "--namespace", "cell", "--json", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30.0
        while cell.count_subscribers("/cell/vla/action_chunk") == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
    assert "age at actuation" in text
    assert json.loads(out.read_text())["command"]["argv"] == ["vla", *command[3:]]


def test_silence_is_said(domain, card):
    with pytest.raises(LedgerError, match="no action chunk on /vla/action_chunk in 0.2 s"):
        watch(card, once=True, window_s=0.2)
    with pytest.raises(LedgerError, match="namespace 'not a name'"):
        watch(card, namespace="not a name", once=True, window_s=0.2)


@pytest.mark.parametrize("once", [True, False])
def test_a_namespace_that_nobody_is_in_is_named_with_those_that_are(cell, card, once, monkeypatch):
    monkeypatch.setattr("vla_contract.ros.namespaces.KNOWN_S", 1.0)
    with pytest.raises(LedgerError, match="^no namespace /celle in the graph; it has /cell$"):
        watch(card, namespace="celle", once=once, window_s=0.2)
