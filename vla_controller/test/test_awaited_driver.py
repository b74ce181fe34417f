"""A cell whose driver was not started: the controller's log says what it waits for, and where."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from cells import JOINTS, make_card, panda_urdf

from vla_graph.domains import free_domain

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

NODE = [sys.executable, "-m", "vla_controller.ros.node", "--ros-args"]


def test_the_log_names_topics_and_joints_every_few_seconds(tmp_path):
    card, model, log = tmp_path / "card.yaml", tmp_path / "arm.urdf", tmp_path / "log"
    card.write_text(yaml.safe_dump(make_card().to_dict()))
    model.write_text(panda_urdf())
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
    told = {}
    for name, arguments in (("bare", []), ("model", ["-p", f"model:={model}"])):
        words = [*NODE, "-p", f"card:={card}", "-r", "__ns:=/left", *arguments]
        with open(log, "w") as output:
            process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=environment)
        until = time.monotonic() + 60.0
        while log.read_text().count("nobody takes") < 2 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        told[name] = [line for line in log.read_text().splitlines() if "waiting for" in line]
    assert len(told["bare"]) >= 2
    topic = make_card().state.topic
    for line in told["bare"]:
        assert "waiting for any message on /left/robot_description: nobody publishes there" in line
        assert f"waiting for {', '.join(JOINTS)} on /left/{topic}: nobody publishes there" in line
        assert f"nobody takes trajectories on /left/{make_card().arms[0].trajectory_topic}" in line
    assert "robot_description" not in told["model"][0] and JOINTS[0] in told["model"][0]
