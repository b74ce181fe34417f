"""The shadow in the real graph: it answers, it says how far apart the two are, it has no way to command, and it can die."""

import json
import os
import signal
import time
from dataclasses import asdict

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from graph_samples import wait_ready

from vla_bags.reader import Bag
from vla_bringup import cli
from vla_contract.ros.convert import chunk_from_msg
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.shipped import find_checkpoint
from vla_evidence.rows.row_files import read_episodes
from vla_graph.domains import free_domain
from vla_graph.process import GraphProcess
from vla_graph.ros.client import GraphClient
from vla_msgs.action import RunTask
from vla_msgs.msg import ActionChunk, PolicyInfo
from vla_replay.offline.inputs import find_card
from vla_replay.offline.replay import Replay

pytestmark = pytest.mark.timeout(240)
SEED = 1000


def _wait(what: str, condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.05)


def _process_of(node: str, domain: int) -> int:
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file, open(f"/proc/{entry}/environ", "rb") as other:
                words, environment = file.read().split(b"\0"), other.read().split(b"\0")
        except OSError:
            continue
        if f"__node:={node}".encode() in words and f"ROS_DOMAIN_ID={domain}".encode() in environment:
            return int(entry)
    pytest.fail(f"no process of node {node}")


def test_a_shadow_answers_commands_nothing_and_is_found_in_the_bag(tmp_path, card, capsys):
    domain = free_domain()
    shadow = str(find_checkpoint("panda_tabletop"))
    launch = {"task": "pick", "seed": SEED, "shadow": shadow, "record": "true", "record_to": str(tmp_path / "bag")}
    with GraphProcess(launch, tmp_path / "graph.log", domain) as graph:
        with GraphClient("shadow_test") as client:
            chunks, healths, infos = [], [], []
            node = client.node
            node.create_subscription(ActionChunk, "vla/shadow/action_chunk", lambda m: chunks.append(chunk_from_msg(m)), RELIABLE)
            node.create_subscription(
                DiagnosticArray, "/diagnostics",
                lambda m: healths.extend(s for s in m.status if s.name == "/shadow: divergence"), RELIABLE,
            )  # fmt: skip
            node.create_subscription(PolicyInfo, "vla/shadow/policy_info", infos.append, LATCHED)
            wait_ready(graph, client)
            _wait("the shadow", lambda: infos and healths)
            assert infos[0].checkpoint_hash == client.policy_info.checkpoint_hash
            outcome, why = _run(client, SEED)
            outcomes = [outcome]
            asked = {(c.run_id, c.sequence): c for _, c in client.heard.chunks if c.horizon}
            # on a busy computer it stands back, but it does not fall silent
            assert len(chunks) >= 3, f"{len(chunks)} of {len(asked)}; {outcome}: {why}\n{graph.tail(20)}"
            for chunk in chunks:
                theirs = asked[chunk.run_id, chunk.sequence]
                assert chunk.image_stamps_ns == theirs.image_stamps_ns
                assert abs(chunk.actions - theirs.actions).max() < 1e-5, "the same checkpoint decides the same"
            values = {pair.key: pair.value for pair in healths[-1].values}
            assert int(values["answered"]) == len(chunks) and float(values["arm.x max [m]"]) < 1e-5

            published = {name for name, _ in node.get_publisher_names_and_types_by_node("shadow", "/")}
            allowed = {"/vla/shadow/action_chunk", "/vla/shadow/policy_info", "/diagnostics", "/rosout", "/parameter_events"}
            assert published == allowed
            services = {name for name, _ in node.get_service_names_and_types_by_node("shadow", "/")}
            assert all(name.startswith("/shadow/") for name in services), "only those of every node's parameters"
            assert not node.get_client_names_and_types_by_node("shadow", "/")

            shadow_pid = _process_of("shadow", domain)
            threads = [int(name) for name in os.listdir(f"/proc/{shadow_pid}/task")]
            assert len(threads) > 3 and {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {10}
            os.kill(shadow_pid, signal.SIGKILL)
            before = len(client.heard.chunks)
            outcomes.append(_run(client, SEED + 1)[0])
            assert len(client.heard.chunks) > before, "it goes on without its shadow"
    with Bag(tmp_path / "bag") as bag:
        figures = asdict(Replay(bag, find_card(bag, None), {}, []).run())["shadow"]
    assert figures["chunks"] == len(chunks) and figures["largest"] < 1e-5
    evidence_of(tmp_path / "bag", tmp_path / "run", outcomes, capsys)


def _run(client, seed) -> tuple[str, str]:
    """The outcome of a pick, and why it ended.

    On a busy computer the input may grow stale; that fails it, and is no matter of the shadow.
    """
    result = client.run_task(client.reset("pick", seed), 15.0)
    time.sleep(1.5)
    return {RunTask.Result.SUCCESS: "SUCCESS", RunTask.Result.FAILURE: "FAILURE"}[result.outcome], result.message


def evidence_of(bag, run, outcomes, capsys) -> None:
    """What the README does with a recorded run, from the bag alone: every verb works and the numbers are those of the run."""

    def vla(*words, codes=(0,)) -> None:
        code = cli.main([str(word) for word in words])
        shown = capsys.readouterr()
        assert code in codes, f"{words}: {shown.err or shown.out}"

    vla("evidence", bag, "--out", run)
    vla("ledger", bag, "--json", run / "ledger.json")
    vla("card", "check", "panda_tabletop", "--bag", bag, "--json", run / "preflight.json", codes=(0, 1))
    vla("replay", bag, "--out", run)
    vla("report", run)
    told = json.loads((run / "preflight.json").read_text())
    strange = [finding for finding in told["findings"] if finding["check"] not in ("rate", "jitter")]
    assert not any("training statistics" in line for line in told["unchecked"]), "the bag names its checkpoint"
    assert not strange, "on a busy computer cameras may pause, and that is told; nothing else is wrong"
    ledger = json.loads((run / "ledger.json").read_text())["overall"]
    assert ledger["ledger_share"] >= 0.99 and ledger["identity"]["rows"] > 5
    assert ledger["identity"]["largest_error_ns"] == 0, "the parts add up to the whole"
    episodes = read_episodes(run / "episodes.jsonl")
    assert [episode.outcome for episode in episodes] == outcomes
    figures = json.loads((run / "replay.json").read_text())
    found = figures["observations"]
    # on a busy computer recorder or policy may miss a joint state, which is counted
    assert found["rebuilt"] >= 0.8 * found["chunks"] and found["state_equal"] >= 0.8 * found["rebuilt"], found
    assert figures["scores"]["violations"] == 0 and figures["recorded"]["controller_agreement"]["chunks"] > 5
    page = (run / "report.html").read_text()
    assert f"{outcomes.count('SUCCESS')} of 2" in page


@pytest.mark.parametrize(("shadow", "words"), [("no_such", "no_such"), (None, "not a safetensors file")])
def test_a_shadow_that_cannot_be_used_is_told_in_a_line(tmp_path, shadow, words):
    if shadow is None:
        path = tmp_path / "broken.safetensors"
        path.write_bytes(b"nothing")
        shadow = str(path)
    with GraphProcess({"policy": "false", "shadow": shadow}, tmp_path / "graph.log", free_domain()) as graph:
        _wait("its reason", lambda: words in graph.tail(40), 40.0)
        assert "Traceback" not in graph.tail(60)
