"""The Python of docs/how-to does what it says: chunks move the mock, demonstrations train, head and policy work."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from launching import read_until, start_runner

from vla_contract.card import load_card
from vla_contract.shipped import find_card, find_launch_file
from vla_graph.domains import free_domain

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"

LISTEN = """
import rclpy, sys, time
from vla_contract.ros.qos import REPORTS
from vla_msgs.msg import ChunkReport, ControllerStatus
rclpy.init()
node = rclpy.create_node("listener")
heard, states = {}, []
def on_report(m):
    late = m.verdict == ChunkReport.NO_STATE and "ms old" in m.message
    heard.setdefault(m.sequence, []).append("late" if late else str(m.verdict))
node.create_subscription(ChunkReport, "vla/chunk_report", on_report, REPORTS)
node.create_subscription(ControllerStatus, "vla/controller_status", lambda m: states.append(m.state), 10)
end = time.monotonic() + 60
while ControllerStatus.IDLE not in states and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print("ready", flush=True)
while len(heard) < 5 and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print("verdicts", *[heard[i][0] for i in sorted(heard)], flush=True)
"""


def block(page: str, holds: str) -> str:
    """The Python of a page that holds this."""
    blocks = re.findall(r"^```python\n(.*?)^```", (HOW_TO / page).read_text(), re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if holds in block)


def test_the_chunks_of_the_page_are_accepted(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    runner = start_runner(find_launch_file("real"), "card:=ur5e", "policy:=false", "mock:=true", "mock_images:=false")
    listener = subprocess.Popen([sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True)
    try:
        read_until(listener, "ready", timeout=60)
        program = [sys.executable, "-c", block("policy.md", "chunk_to_msg")]
        sent = subprocess.run(program, capture_output=True, text=True, timeout=60)
        assert sent.returncode == 0, sent.stderr
        verdicts = read_until(listener, "verdicts", timeout=70).split("verdicts")[1].split()
        assert set(verdicts) <= {"0", "late"}, "all are accepted, but where this machine paused and the arm's states with it"
        assert len(verdicts) == 5 and verdicts.count("0") >= 3
    finally:
        listener.kill()
        runner.send_signal(signal.SIGINT)
        runner.communicate(timeout=30)


def test_the_demonstrations_of_the_page_train(tmp_path):
    """A shipped card, its cameras 640x480; the last frame's plan stands still with the gripper as it was."""
    os.makedirs(tmp_path / "out")
    (tmp_path / "my_cell.yaml").write_text(find_card("ur5e").read_text())
    episodes = """
import numpy as np
def my_episodes():
    for seed in range(4):
        random = np.random.default_rng(seed)
        images = lambda: [random.integers(0, 256, (480, 640, 3), dtype=np.uint8) for _ in range(5)]
        actions = random.normal(0, 0.01, (5, 7)); actions[:, 6] = [1, 1, 0, 0, 0]
        yield {"images": {"front": images(), "wrist": images()}, "state": random.normal(size=(5, 7)), "actions": actions,
               "instruction": "pick up the red block"}
"""
    program = [sys.executable, "-c", episodes + block("train.md", "Demonstration")]
    written = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert written.returncode == 0, written.stderr
    from vla_contract.demonstration import Demonstration

    last = Demonstration.load(tmp_path / "out/demos/mine/episode_00000.npz").actions[-1]
    assert last.shape == (16, 7) and np.any(last[0, :6]) and not np.any(last[1:, :6]) and not np.any(last[:, 6])
    words = ["train", "--card", "my_cell.yaml", "--data", "out/demos/mine", "--steps", "2", "--batch", "4", "--processes", "1"]
    trained = subprocess.run([sys.executable, "-m", "vla_bringup.cli", *words, "--out", "my_policy.safetensors"], cwd=tmp_path,
                             capture_output=True, text=True, timeout=110)  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    from vla_policy.checkpoint import read_checkpoint

    stored = read_checkpoint(tmp_path / "my_policy.safetensors").embodiments
    assert [one.policy_hash for one in stored] == [load_card(tmp_path / "my_cell.yaml").policy_hash]


def test_the_head_of_the_page_learns_and_samples():
    import torch

    from vla_policy.native.heads.base import HeadBatch, HeadSizes
    from vla_policy.native.memory import Memory

    made: dict = {}
    exec(block("head.md", "class MeanHead"), made)
    head = made["MeanHead"](HeadSizes(readout=2, width=8, horizon=4, action_dim=3), dropout=0.1)
    memory = Memory(torch.randn(5, 2, 8), torch.randn(5, 9, 8), torch.ones(5, 9, dtype=torch.bool))
    batch = HeadBatch(torch.randn(5, 4, 3), torch.ones(5, 4, dtype=torch.bool))
    before = head.loss(memory, batch)
    before.backward()
    assert before.item() > 0 and head.sample(memory).shape == (5, 4, 3)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_the_policy_of_the_page_decides(card):
    made: dict = {"my_client": lambda address, images, state, words: [[0.0] * 7] * 16}
    exec(block("policy.md", "class MyPolicy"), made)
    from vla_contract.observation import VLAObservation
    from vla_policy.opening import Opening
    from vla_policy.policy import Ask

    policy = made["open_policy"]("host:8000", card, Opening())
    policy.reset()
    seen = VLAObservation(stamp_ns=1, images={}, image_stamps_ns={}, state=[], state_names=(), state_stamp_ns=1, instruction="go")
    assert len(policy.infer(seen, Ask()).actions) == card.action.horizon and policy.address == "host:8000"
