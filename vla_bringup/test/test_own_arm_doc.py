"""The Python in docs/own_arm.md does what the page says: its chunks move the mock, its demonstrations train."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from launching import read_until, start_runner

from vla_bringup.names import find_card, find_launch_file
from vla_contract.card import load_card
from vla_eval.graph_process import free_domain

PAGE = Path(__file__).parents[2] / "docs" / "own_arm.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="needs a checkout of the whole repository")

LISTEN = """
import rclpy, sys, time
from vla_contract.ros.qos import REPORTS
from vla_msgs.msg import ChunkReport, ControllerStatus
rclpy.init()
node = rclpy.create_node("listener")
heard, states = {}, []
node.create_subscription(ChunkReport, "vla/chunk_report", lambda m: heard.setdefault(m.sequence, []).append(m.verdict), REPORTS)
node.create_subscription(ControllerStatus, "vla/controller_status", lambda m: states.append(m.state), 10)
end = time.monotonic() + 60
while ControllerStatus.IDLE not in states and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print("ready", flush=True)
while len(heard) < 5 and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print("verdicts", *[heard[i][0] for i in sorted(heard)], flush=True)
"""


def block(number: int) -> str:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[number]


def test_the_chunks_of_the_page_are_accepted(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    runner = start_runner(find_launch_file("real"), "card:=ur5e", "policy:=false", "mock:=true", "mock_images:=false")
    listener = subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True)
    try:
        read_until(listener, "ready", timeout=60)
        sent = subprocess.run([sys.executable, "-c", block(0)], capture_output=True, text=True, timeout=60)
        assert sent.returncode == 0, sent.stderr
        verdicts = read_until(listener, "verdicts", timeout=70).split("verdicts")[1].split()
        assert verdicts == ["0"] * 5, "all five accepted"
    finally:
        listener.kill()
        runner.send_signal(signal.SIGINT)
        runner.communicate(timeout=30)


def test_the_demonstrations_of_the_page_train(tmp_path):
    """A card of two small cameras; the last frame's plan stands still with the gripper as it was."""
    os.makedirs(tmp_path / "out")
    text = find_card("ur5e").read_text().replace("name: ur5e", "name: my_cell").replace("640", "224").replace("480", "224")
    (tmp_path / "my_cell.yaml").write_text(text)
    episodes = """
import numpy as np
def my_episodes():
    for seed in range(4):
        random = np.random.default_rng(seed)
        pictures = lambda: [random.integers(0, 256, (224, 224, 3), dtype=np.uint8) for _ in range(5)]
        actions = random.normal(0, 0.01, (5, 7)); actions[:, 6] = [1, 1, 0, 0, 0]
        yield {"images": {"front": pictures(), "wrist": pictures()}, "state": random.normal(size=(5, 7)), "actions": actions,
               "instruction": "pick up the red block"}
"""
    program = [sys.executable, "-c", episodes + block(1)]
    written = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert written.returncode == 0, written.stderr
    from vla_contract.demonstration import Demonstration

    last = Demonstration.load(tmp_path / "out/demos/mine/episode_00000.npz").actions[-1]
    assert last.shape == (16, 7) and np.any(last[0, :6]) and not np.any(last[1:, :6]) and not np.any(last[:, 6])
    words = ["train", "--card", "my_cell.yaml", "--data", "out/demos/mine", "--steps", "2", "--batch", "4", "--processes", "1"]
    trained = subprocess.run([sys.executable, "-m", "vla_bringup.cli", *words, "--out", "my_policy.safetensors"], cwd=tmp_path,
                             capture_output=True, text=True, timeout=110)  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    from vla_policy_node.checkpoint import read_checkpoint

    assert read_checkpoint(tmp_path / "my_policy.safetensors").policy_hash == load_card(tmp_path / "my_cell.yaml").policy_hash
