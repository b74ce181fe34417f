"""The tutorial's commands do what it says, one after another, unchanged: only waiting is the test's."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from vla_graph.domains import free_domain

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorials" / "first_hour.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
READY = "ready: one inference takes"
SAYS = {
    "vla run": "the arm rests, IDLE", "vla stop\nvla resume\nvla home": "home in", "vla evidence": "2 episodes and",
    "vla label": "SUCCESS", "vla ledger": "largest difference 0 ns", "vla replay": "chunks rebuilt",
    "vla card check": "panda_tabletop: valid", "vla report": "report.html",
}  # fmt: skip
"""What a block that begins so prints."""
MAY_END_WITH = {"vla run": (0, 1), "vla card check": (0, 1)}
"""A policy may fail, and a busy computer has gaps between its images: the page says so."""


def start(command: str, cwd: Path, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=cwd, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip


def wait_for(process: subprocess.Popen, words: str) -> list[str]:
    heard = []
    for line in process.stdout:
        heard.append(line)
        if words in line:
            return heard
    raise AssertionError("".join(heard))


def of(block: str, table: dict, otherwise):
    return next((value for begin, value in table.items() if block.startswith(begin)), otherwise)


@pytest.mark.timeout(300)
def test_every_command_of_the_first_hour(tmp_path):
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain()), "COLUMNS": "200"}
    up, *rest = BLOCKS
    assert up.startswith("vla up sim") and len(rest) == 9
    graph = start(up, tmp_path, environment)
    try:
        wait_for(graph, READY)
        for block in rest:
            if block.startswith("vla evidence") and graph.poll() is None:  # "press Ctrl-C in the first terminal"
                graph.send_signal(signal.SIGINT)
                graph.communicate(timeout=60)
                assert graph.returncode == 0
            done = subprocess.run(["bash", "-e", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True,
                                  timeout=120)  # fmt: skip
            assert done.returncode in of(block, MAY_END_WITH, (0,)), f"{block}{done.stdout}{done.stderr}"
            assert of(block, SAYS, None) in done.stdout, f"{block}{done.stdout}{done.stderr}"
    finally:
        if graph.poll() is None:
            graph.send_signal(signal.SIGINT)
            graph.communicate(timeout=60)
    written = {path.name for path in (tmp_path / "out" / "first").iterdir()}
    assert {"bag", "episodes.parquet", "labels.jsonl", "ledger.png", "replay.json", "preflight.json", "report.html"} <= written


def test_its_images_are_there_and_small():
    images = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE.read_text())
    assert len(images) == 4 and all((PAGE.parent / image).stat().st_size < 300_000 for image in images)
