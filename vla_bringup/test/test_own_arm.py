"""The page on a policy for your own arm: its commands do what it says, one after another, unchanged; the test only waits."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from test_first_hour import READY, start, wait_for

from vla_contract.demonstration import Demonstration, dataset_index
from vla_graph.domains import free_domain
from vla_policy.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "own_arm.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
ROBOT = os.environ.get("VLA_TEST_ROBOT", "ur5e")
"""Whose card; the page has ur5e's, and says that another may stand in its place."""
TRAINING_S = os.environ.get("VLA_TRAIN_SECONDS", "4")


def end(graph: subprocess.Popen) -> None:
    if graph.poll() is None:
        graph.send_signal(signal.SIGINT)
    rest, _ = graph.communicate(timeout=120)
    assert graph.returncode == 0 and "Traceback" not in rest, rest


@pytest.mark.timeout(900)
def test_every_command_of_the_page(tmp_path):
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain()), "COLUMNS": "200", "VLA_TRAIN_SECONDS": TRAINING_S}
    (tmp_path / "examples").symlink_to(ROOT / "examples")  # "in the folder of the repository"
    up, demonstrate, train, up_again, run = (re.sub(r"\bur5e\b", ROBOT, block) for block in BLOCKS)

    def do(block: str, may_end_with: int = 0) -> str:
        done = subprocess.run(["bash", "-e", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True,
                              timeout=600)  # fmt: skip
        assert done.returncode == may_end_with, f"{block}{done.stdout}{done.stderr}"
        return done.stdout

    graph = start(up.strip(), tmp_path, environment)
    try:
        wait_for(graph, "controller started")
        assert do(demonstrate).count("wrote") == 8
    finally:
        end(graph)
    paths = dataset_index(tmp_path / "out/demos/mock")
    assert len({Demonstration.load(path, with_images=False).instruction for path in paths}) == 8
    said = do(train)
    assert "camera front 640x480, seen by the model as 112x112" in said and f"{ROBOT}: valid" in said
    trained = read_checkpoint(tmp_path / "out/my_policy.safetensors")
    assert trained.embodiments[0].card_name == ROBOT and trained.training["steps"] > 0
    graph = start(up_again.strip(), tmp_path, environment)
    try:
        wait_for(graph, READY)
        ran = do(run, 3)
        assert re.search(r"5\.\d s, \d+ chunks, \d+ of \d+ steps clamped", ran), ran
    finally:
        end(graph)
