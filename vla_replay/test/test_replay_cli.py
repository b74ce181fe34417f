"""The options of `vla replay`: which do not go together, several robots in a bag, cards that are not the bag's."""

import json

import pytest
import yaml
from replay_samples import MS, START, LiveCell, record_live

from vla_bench.speed.replay import BagDraft
from vla_bringup import cli
from vla_contract.action_space import ActionSpace, arm_action_names
from vla_contract.card import parse_card
from vla_evidence.figures import GraphReplayFigures
from vla_replay.ros import replay_graph as graph

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def bag(card, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("options") / "bag"
    record_live(path, card, model, 1.0, tail=60)
    return path


@pytest.fixture(scope="module")
def two_robots(card, model, tmp_path_factory):
    """A bag of two robots, one after the other, and how many chunks each has."""
    path = tmp_path_factory.mktemp("robots") / "bag"
    with BagDraft(path, card) as draft:
        left = LiveCell(card, model, draft, namespace="/left", tail=60).live(0.8)
        right = LiveCell(card, model, draft, namespace="/cell/right", start=START + 20_000 * MS, tail=60).live(1.6)
        LiveCell(card, model, draft, namespace="/right", start=START + 40_000 * MS, tail=20)
    return path, {"left": len(left.chunks), "/cell/right": len(right.chunks)}


PLAYED = {
    "bag": "bag", "seconds": 1.0, "wall_seconds": 1.0, "rate": 1.0, "played": {"joint_states": 3}, "missing_topics": [],
    "clock_messages": 100, "clock_set_back": 0, "latest_ms": 0.5, "chunks_heard": 0, "runs": [],
}  # fmt: skip


class Played:
    """In the place of GraphPlayer: what it was asked, without a graph."""

    asked: dict = {}

    def __init__(self, bag, card, **options):
        Played.asked = options | {"topic": bag.find("joint_states")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def play(self):
        return GraphReplayFigures.from_json({"graph": PLAYED}, "made up").graph


@pytest.fixture
def player(monkeypatch):
    Played.asked = {}
    monkeypatch.setattr(graph, "GraphPlayer", Played)
    return Played


def vla(words, capsys):
    code = cli.main(["replay", *map(str, words)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def assert_mistake(words, expected, capsys):
    code, _, err = vla(words, capsys)
    assert code == 2 and expected in err and "Traceback" not in err and len(err.strip().splitlines()) == 1, err


@pytest.mark.parametrize("words", [
    ["--gate", "jump=1e-9"], ["--fault", "drop=0.1"], ["--checkpoint", "panda_tabletop"], ["--against", "panda_tabletop"],
    ["--no-policy"], ["--no-controller"], ["--model", "robot.urdf"], ["--seed", "0"], ["--threads", "2"],
])  # fmt: skip
def test_what_graph_does_not_do_is_refused_by_name(bag, player, words, capsys):
    assert_mistake([bag, "--graph", *words], f"--graph does not combine with {words[0]}: it plays", capsys)
    assert not player.asked, "it was played all the same"


def test_all_that_do_not_go_together_are_named(bag, player, capsys):
    words = ["--graph", "--seed", "3", "--no-policy", "--gate", "jump=1"]
    assert_mistake([bag, *words], "does not combine with --gate, --no-policy, --seed: ", capsys)
    assert_mistake([bag, "--graph", "--instruction", "stack"], "--instruction needs --run", capsys)
    assert not player.asked


@pytest.mark.parametrize(("words", "named"), [
    (["--rate", "1.0"], "--rate"), (["--run"], "--run"), (["--run", "--rate", "0.5"], "--rate, --run"),
])  # fmt: skip
def test_without_graph_there_is_no_rate_and_no_run(bag, words, named, capsys):
    assert_mistake([bag, "--no-policy", *words], f"without --graph there is no {named}: ", capsys)


def test_graph_results_leave_the_figures_alone(bag, player, tmp_path, capsys):
    folder = tmp_path / "run"
    assert vla([bag, "--no-policy", "--no-controller", "--out", folder], capsys)[0] == 0
    before = (folder / "replay.json").read_text()
    assert json.loads(before)["events"]["chunk"] >= 2 and json.loads(before)["instruction"] is None
    words = ["--graph", "--run", "--instruction", "stack", "--out", folder, "--json", tmp_path / "told.json"]
    assert vla([bag, *words], capsys)[0] == 0
    assert player.asked == {"rate": 1.0, "run": True, "instruction": "stack", "topic": "/joint_states"}
    assert (folder / "replay.json").read_text() == before
    told = json.loads((folder / "replay_graph.json").read_text())
    assert told == json.loads((tmp_path / "told.json").read_text())
    assert told["graph"] == PLAYED and len(told["card_hash"]) > 8
    assert told["command"]["argv"] == ["vla", "replay", str(bag), *map(str, words)]


def test_one_of_several_robots_is_named(two_robots, player, tmp_path, capsys):
    path, counts = two_robots
    assert_mistake([path, "--no-policy"], "in several namespaces (/cell/right/front/image_raw, /left/", capsys)
    for namespace, count in counts.items():
        words = ["--no-policy", "--namespace", namespace, "--gate", "absent=0", "violations=0", "--out", tmp_path / "run"]
        code, _, err = vla([path, *words], capsys)
        figures = json.loads((tmp_path / "run" / "replay.json").read_text())
        assert code == 0, err
        assert figures["observations"]["rebuilt"] == figures["observations"]["state_equal"] == count > 0
        assert figures["namespace"] == namespace and figures["missing_topics"] == []
    assert len(set(counts.values())) == 2
    assert_mistake([path, "--no-policy", "--namespace", "right"], "no vla/action_chunk in this bag", capsys)
    nowhere = "no namespace /middle in this bag; it has /cell/right, /left, /right"
    assert_mistake([path, "--no-policy", "--namespace", "middle"], nowhere, capsys)
    assert vla([path, "--graph", "--namespace", "left"], capsys)[0] == 0
    assert player.asked["topic"] == "/left/joint_states"


def test_cameras_and_joint_states_outside_the_namespace_are_replayed(card, model, tmp_path, capsys):
    content = card.to_dict()
    content["cameras"][1]["topic"], content["state"]["topic"] = "/rig/wrist/image_raw", "/arm_driver/joint_states"
    outside = parse_card(content)
    with BagDraft(tmp_path / "bag", outside) as draft:
        count = len(LiveCell(outside, model, draft, namespace="/left", tail=60).live(0.8).chunks)
        LiveCell(card, model, draft, namespace="", start=START + 20_000 * MS, tail=20)
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(content))
    words = ["--no-policy", "--card", path, "--namespace", "left", "--gate", "absent=0", "--out", tmp_path / "run"]
    code, _, err = vla([tmp_path / "bag", *words], capsys)
    assert code == 0, err
    figures = json.loads((tmp_path / "run" / "replay.json").read_text())
    assert figures["observations"]["rebuilt"] == figures["observations"]["state_equal"] == count > 0
    assert figures["missing_topics"] == []


def test_the_state_of_several_sources_is_replayed_as_it_was(card, model, tmp_path, capsys):
    content = card.to_dict()
    content["state"]["fields"] += ["wrist.force.z", "wrist.torque.x"]
    content["state"]["sources"] = [
        {"topic": "hand/joint_states", "type": "joint_states", "joints": [card.arms[0].gripper.joint], "max_age": 0.12},
        {"topic": "/ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.11},
    ]
    several = parse_card(content)
    run = record_live(tmp_path / "bag", several, model, 0.8, namespace="/left", tail=60)
    finger = several.state.fields.index(f"{card.arms[0].gripper.joint}.position")
    assert {seen.state[finger] for seen in run.observations} == {0.04}
    assert all(seen.state[-2] > 0.0 and seen.state[-1] == 0.25 for seen in run.observations)
    words = ["--no-policy", "--namespace", "left", "--gate", "absent=0", "--out", tmp_path / "run"]
    code, _, err = vla([tmp_path / "bag", *words], capsys)
    assert code == 0, err
    figures = json.loads((tmp_path / "run" / "replay.json").read_text())
    assert figures["observations"]["rebuilt"] == len(run.chunks) > 0
    assert figures["missing_topics"] == []


def joint_names(card):
    arm = card.arms[0]
    return list(arm_action_names(ActionSpace.JOINT_POSITION, arm.name, arm.joints, True))


@pytest.mark.parametrize(("arm", "changes", "expected"), [
    ("arm", lambda card: {"space": "JOINT_POSITION", "names": joint_names(card)},
     "action_space of vla/action_chunk is EE_DELTA, card panda_tabletop has JOINT_POSITION"),
    ("arm", lambda card: {"space": "EE_POSE"},
     "action_space of vla/action_chunk is EE_DELTA, card panda_tabletop has EE_POSE"),
    ("left", lambda card: {"names": [name.replace("arm.", "left.") for name in card.action.names]},
     "names of vla/action_chunk is arm.x, arm.y, arm.z, arm.rx, arm.ry, arm.rz, arm.gripper, card panda_tabletop has left.x, "),
    ("arm", lambda card: {"step_period": 0.2},
     "step_period_ns of vla/action_chunk is 100000000, card panda_tabletop has 200000000"),
])  # fmt: skip
def test_a_card_of_another_contract_is_told(bag, card, arm, changes, expected, tmp_path, capsys):
    content = card.to_dict()
    content["action"] |= changes(card)
    content["arms"][0]["name"], content["max_open_loop"] = arm, 10.0
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump(content))
    assert_mistake([bag, "--no-policy", "--card", file], expected, capsys)


def test_another_card_of_the_same_contract_is_fine(bag, card, tmp_path, capsys):
    content = card.to_dict() | {"name": "sister"}
    content["arms"][0]["limits"]["tool_speed"] *= 0.9
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content))
    words = ["--no-policy", "--card", tmp_path / "other.yaml", "--gate", "absent=0", "--instruction", "stack", "--out", tmp_path]
    code, _, err = vla([bag, *words], capsys)
    assert code == 0, err
    assert json.loads((tmp_path / "replay.json").read_text())["instruction"] == "stack"
    command = json.loads((tmp_path / "replay.json").read_text())["command"]["argv"]
    assert command == ["vla", "replay", str(bag), *map(str, words)]
