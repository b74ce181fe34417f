"""The example of a lab's own package, installed by pip: its head trains and runs, its policy decides in the graph."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vla_contract.report import Phase, Verdict
from vla_graph.domains import free_domain
from vla_graph.errors import GraphError
from vla_graph.process import GraphProcess
from vla_graph.ros.client import GraphClient

SOURCE = Path(__file__).resolve().parents[2] / "examples" / "lab_package"
pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason="needs a checkout of the whole repository")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that the package was installed into; nothing is fetched."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(SOURCE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", folder / "site", folder / "source"], check=True, timeout=110)
    return folder / "site"


@pytest.fixture(scope="module")
def environment(installed) -> dict[str, str]:
    paths = (str(installed), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


@pytest.fixture
def vla(environment, tmp_path):
    def run(*words: object) -> str:
        command = [sys.executable, "-m", "vla_bringup.cli", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.timeout(400)
def test_its_verb_is_there_and_its_head_trains_and_runs_in_lockstep(vla):
    assert "lengths    how long the episodes of demonstrations are" in vla("--help")
    vla("demos", "--task", "pick", "--episodes", 3, "--jobs", 1, "--out", "demos")
    assert vla("lengths", "demos").startswith("3 episodes, ")
    small = ["--steps", 2, "--batch", 4, "--processes", 2]
    vla("train", "--head", "mine", "--head-option", "power=1.5", "--data", "demos", *small, "--out", "mine.safetensors")
    shown = vla("checkpoint", "mine.safetensors")
    assert '"head": "mine"' in shown and '"power": 1.5' in shown
    trial = ["--task", "pick", "--trials", 1, "--jobs", 1, "--time-limit", 1]
    assert "pick" in vla("eval", "--checkpoint", "mine.safetensors", *trial)


@pytest.mark.timeout(240)
def test_its_policy_is_evaluated_under_an_identity_of_its_own(vla, environment, tmp_path):
    import json

    hashes = []
    for given in ("mine:5", "mine:5", "mine:2"):
        name = tmp_path / f"{len(hashes)}.json"
        short = ["--trials", 1, "--jobs", 1, "--time-limit", 1]
        vla("eval", "--checkpoint", given, *short, "--json", name, "--out", f"out{len(hashes)}")
        result = json.loads(name.read_text())
        hashes.append(result["request"]["checkpoint_hash"])
        assert given in name.read_text()
    assert hashes[0] == hashes[1] != hashes[2]
    wrong = [sys.executable, "-m", "vla_bringup.cli", "eval", "--trials", "1", "--checkpoint"]
    not_a_number, unknown = "policy 'mine:fast': 'fast' is no number", "no 'yours' is registered, there are: mine, native"
    empty, no_colon = "policy 'mine:': '' is no number", "no checkpoint 'mine': "
    for given, says in (("mine:fast", not_a_number), ("mine:", empty), ("mine", no_colon), ("yours:1", unknown)):
        done = subprocess.run([*wrong, given], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.timeout(240)
def test_its_policy_decides_in_the_graph(installed, environment, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    monkeypatch.setenv("ROS_DOMAIN_ID", "")  # restored afterwards; the graph sets its own
    # On the simulator's clock: by the wall's a busy computer simulates too slowly, and the controller anchors anew.
    arguments = {"checkpoint": "mine:5", "task": "pick", "use_sim_time": "true"}
    with GraphProcess(arguments, tmp_path / "graph.log", free_domain()) as graph:
        with GraphClient("lab_test") as client:
            for _ in range(120):
                graph.check_alive()
                try:
                    client.wait_ready(timeout=1.0)
                    break
                except GraphError:
                    continue
            assert client.policy_info.policy == "mine", graph.tail()
            client.run_task("lift the red block", 2.0)
            moved = {chunk.sequence: chunk for _, chunk in client.heard.chunks if chunk.horizon}
            assert len(moved) >= 3 and all(chunk.actions[0, :3].tolist() == [0.0, 0.0, 0.005] for chunk in moved.values())
            reports = [report for _, report in client.heard.reports if report.phase == Phase.SCHEDULED]
            assert {report.verdict for report in reports if report.sequence in moved} == {Verdict.ACCEPTED}
        assert graph.stop() == 0, graph.tail()
