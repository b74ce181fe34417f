"""Samples of bags and of the graph, and `vla card check` upon them."""

import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from preflight_samples import CHECKPOINT, MS, SIDE, START, card_with_small_images, made_up, sample_of
from shipped_paths import CARD

from vla_bench.preflight.write_bag import write_bag
from vla_bench.speed.replay import BagDraft
from vla_bringup import cli
from vla_contract.card import parse_card
from vla_replay.preflight.events import CommandEvent, Event, HashEvent, JointEvent
from vla_replay.preflight.finding import PreflightError
from vla_replay.preflight.known import Known, known_of_checkpoint, read_metadata
from vla_replay.preflight.preflight import preflight
from vla_replay.preflight.sample import Stream
from vla_replay.preflight.source import Source
from vla_replay.preflight.topics import CLOCK, WRENCHES


@pytest.fixture(scope="module")
def small_card():
    return card_with_small_images(SIDE)


def known(card):
    return known_of_checkpoint(read_metadata(CHECKPOINT), "checkpoint", card)


@pytest.fixture
def card_file(small_card, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(small_card.to_dict()))  # JSON is YAML
    return path


def test_a_bag_in_a_namespace_gives_the_same_as_the_events(small_card, card_file, tmp_path, capsys):
    write_bag(tmp_path / "bag", small_card, made_up(small_card), namespace="left")
    words = ["card", "check", str(card_file), "--bag", str(tmp_path / "bag"), "--json", str(tmp_path / "p.json")]
    assert cli.main(words) == 0
    written = json.loads((tmp_path / "p.json").read_text())
    assert written["findings"] == [] and written["errors"] == 0 and written["card_hash"] == small_card.card_hash
    assert written["source"] == "bag bag" and 1.9 < written["seconds"] < 2.1
    assert written["command"]["argv"] == ["vla", *words]
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_what_is_not_whole_about_a_bag_is_told_with_what_was_not_checked(small_card, card_file, tmp_path, capsys):
    write_bag(tmp_path / "bag", small_card, made_up(small_card))
    told = tmp_path / "bag" / "metadata.yaml"
    told.write_text(told.read_text()[:200])
    cli.main(["card", "check", str(card_file), "--bag", str(tmp_path / "bag"), "--json", str(tmp_path / "p.json")])
    words = json.loads((tmp_path / "p.json").read_text())["unchecked"]
    assert any(line.startswith("the bag: metadata.yaml ") and "cut short" in line for line in words)
    assert "the bag: metadata.yaml " in capsys.readouterr().out


def test_findings_of_a_bag_are_one_a_line_and_the_exit_code_is_1(small_card, card_file, tmp_path, capsys):
    other = small_card.model_copy(update={"max_open_loop": 1.5})
    events = made_up(other, cameras=("front",))
    write_bag(tmp_path / "bag", other, events, card_text=json.dumps(other.to_dict()))
    words = ["card", "check", str(card_file), "--bag", str(tmp_path / "bag"), "--checkpoint", str(CHECKPOINT), "--seconds", "60"]
    assert cli.main(words) == 1
    shown = capsys.readouterr().out
    lines = {line.split(":")[0].strip(): line for line in shown.splitlines() if line.startswith("  ") and "; do: " in line}
    assert "no topic 'wrist/image_raw'" in lines["cameras[1].topic"] and "'front/image_raw'" in lines["cameras[1].topic"]
    assert "max_open_loop: 1.5, the card has 2" in lines["card_hash"]
    assert "trained with 224; expected: 64" in lines["cameras[0].width"]


def test_an_action_is_never_proposed_for_a_topic_that_is_absent(small_card):
    sample = sample_of(small_card, [])
    name = small_card.cameras[0].image_topic + "_action"
    sample.streams[name] = Stream(name, Counter({"control_msgs/action/GripperCommand": 0}))
    told = [f.seen for f in preflight(small_card, sample, Known()).findings if f.field == "cameras[0].topic"]
    assert len(told) == 1 and told[0].startswith("no topic") and "there is" not in told[0]


def test_stamps_on_the_simulated_clock_are_compared_with_it(small_card, tmp_path):
    from vla_replay.preflight import from_bag

    days = 10**15
    events = [replace(event, receive_ns=event.receive_ns + days) for event in made_up(small_card, 1.0)
              if not isinstance(event, CommandEvent | HashEvent)]  # fmt: skip
    write_bag(tmp_path / "late", small_card, events)
    late = preflight(small_card, from_bag.sample_of_bag(tmp_path / "late", small_card), Known())
    assert {finding.check for finding in late.findings} == {"stamps"} and "12 days old" in late.findings[0].seen

    ticks = [Event("/clock", CLOCK, START + days + k * 10 * MS, START + k * 10 * MS) for k in range(120)]
    write_bag(tmp_path / "clocked", small_card, [*events, *ticks])
    result = preflight(small_card, from_bag.sample_of_bag(tmp_path / "clocked", small_card), Known())
    assert result.findings == ()


@pytest.mark.parametrize(("change", "check", "field"), [
    (lambda q: q[[0, 3, 2, 1, 4, 5, 6, 7]], "permutation", "state.fields[1], state.fields[3]"),
    (lambda q: np.concatenate((np.degrees(q[:7]), q[7:])), "units", "state.fields[1]"),
])  # fmt: skip
def test_meaning_is_told_without_any_command(small_card, change, check, field):
    events = [replace(e, values={"position": change(e.values["position"])}) if isinstance(e, JointEvent) else e
              for e in made_up(small_card) if not isinstance(e, CommandEvent)]  # fmt: skip
    statistics = Known(state=known(small_card).state)
    result = preflight(small_card, sample_of(small_card, events), statistics)
    told = [finding for finding in result.findings if finding.check != "presence"]
    assert [finding.check for finding in told] == [check] and field in told[0].field
    assert "joints against their commands: no trajectory was seen" in result.unchecked
    assert [f.severity for f in result.findings if f.check == "presence"] == ["WARNING"]  # chunks without trajectories


def test_names_in_another_order_and_two_drivers_are_no_fault(small_card):
    def split(events):
        for event in events:
            if isinstance(event, JointEvent):
                q = event.values["position"]
                yield replace(event, names=event.names[7:], values={"position": q[7:]})
                yield replace(event, names=event.names[6::-1], values={"position": q[6::-1]})
            else:
                yield event

    result = preflight(small_card, sample_of(small_card, split(made_up(small_card))), Known(state=known(small_card).state))
    assert result.findings == ()


def test_the_gap_of_a_second_driver_is_named(small_card):
    """Those of the first one go on, so that there is none on the topic."""

    def split(events):
        for event in events:
            if not isinstance(event, JointEvent):
                yield event
                continue
            q = event.values["position"]
            yield replace(event, names=event.names[:5], values={"position": q[:5]})
            if not START + 500 * MS < event.stamp_ns < START + 900 * MS:
                yield replace(event, names=event.names[5:], values={"position": q[5:]})

    result = preflight(small_card, sample_of(small_card, split(made_up(small_card))), Known(state=known(small_card).state))
    told = [finding for finding in result.findings if finding.check == "rate"]
    assert [finding.field for finding in told] == ["state.fields[5]"] and small_card.state.fields[5] in told[0].seen


def test_options_that_do_not_go_together(tmp_path):
    for source, words in (
        (dict(bag=tmp_path, graph=True), "--graph and --bag"),
        (dict(seconds=5.0), "--seconds needs --graph or --bag"),
        (dict(reference=tmp_path), "--reference needs --graph or --bag"),
        (dict(graph=True, seconds=0.1), "--seconds 0.1: allowed are 1"),
        (dict(bag=tmp_path, seconds=math.nan), "--seconds nan: allowed are 1"),
        (dict(bag=tmp_path, seconds=-math.inf), "--seconds -inf: allowed are 1"),
        (dict(graph=True, seconds=math.inf), "--seconds inf with --graph would never end"),
    ):
        with pytest.raises(PreflightError, match=words):
            Source(**source)


def test_seconds_without_end_are_the_whole_bag(small_card, card_file, tmp_path, capsys, monkeypatch):
    from vla_replay.preflight.from_bag import sample_of_bag

    monkeypatch.setattr("vla_replay.preflight.source.BAG_SECONDS", 1.0)
    write_bag(tmp_path / "bag", small_card, made_up(small_card))
    command = ["card", "check", str(card_file), "--bag", str(tmp_path / "bag"), "--json", str(tmp_path / "p.json")]
    for words, source, seconds in (
        ([], "bag bag (the first 1 of 2 s)", 1.0),
        (["--seconds", "inf"], "bag bag", 2.0),
        (["--seconds", "1e30"], "bag bag", 2.0),
    ):
        assert cli.main([*command, *words]) == 0
        written = json.loads((tmp_path / "p.json").read_text(), parse_constant=pytest.fail)
        assert written["source"] == source and written["seconds"] == pytest.approx(seconds, abs=0.05)
    with pytest.raises(PreflightError, match="seconds is nan, allowed are above 0"):
        sample_of_bag(tmp_path / "bag", small_card, seconds=math.nan)
    capsys.readouterr()
    assert cli.main([*command, "--seconds", "nan"]) == 2
    shown = capsys.readouterr().err
    assert "--seconds nan: allowed are 1 and above" in shown and shown.count("\n") == 1


def test_the_namespace_holds_for_the_reference_too(small_card, card_file, tmp_path, capsys):
    events = made_up(small_card)
    both = [replace(event, topic=f"/{name}/{event.topic}") for event in events for name in ("left", "right")]
    write_bag(tmp_path / "two", small_card, both)
    write_bag(tmp_path / "one", small_card, events, namespace="left")
    words = ["card", "check", str(card_file), "--bag", str(tmp_path / "one"), "--reference", str(tmp_path / "two")]
    assert cli.main(words) == 2
    assert "in several namespaces" in capsys.readouterr().err
    assert cli.main([*words, "--namespace", "left"]) == 0
    assert "no reference" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--bag", "/no/such"], ["--checkpoint", str(CARD)], ["--json", "x.json"], ["--live"]])
def test_mistakes_are_told_in_a_line(words, capsys):
    code = cli.main(["card", "check", "panda_tabletop", *words])
    shown = capsys.readouterr().err
    assert code == 2 and "error: " in shown and shown.count("\n") == 1


def with_sources(card, max_age=0.25):
    content = card.to_dict()
    content["state"]["fields"] += ["wrist.force.z"]
    content["state"]["sources"] = [
        {"topic": "/hand/state", "type": "joint_states", "joints": [card.arms[0].gripper.joint], "max_age": max_age},
        {"topic": "ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.2},
    ]
    return parse_card(content)


def of_sources(events, silent_ms=(0, 0)):
    """The gripper at 10 Hz on a topic of its own, and a false value of it where the arm's joints are; a force at 100 Hz."""
    for event in events:
        if not isinstance(event, JointEvent):
            yield event
            continue
        q = event.values["position"].copy()
        since_ms = (event.stamp_ns - START) // MS
        yield replace(event, names=(*event.names[:7], ""), values={"position": q})
        if since_ms % 100 == 0 and not silent_ms[0] < since_ms < silent_ms[1]:
            yield replace(event, topic="/hand/state", names=event.names[7:], values={"position": q[7:]})
        yield JointEvent("ft/wrench", WRENCHES, event.receive_ns, event.stamp_ns, ("wrist.force.z",), {"": np.array([4.0])})


def test_sources_of_the_state_that_are_as_the_card_says_are_no_fault(small_card):
    card = with_sources(small_card)
    result = preflight(card, sample_of(card, of_sources(made_up(card))), Known(state=known(small_card).state))
    assert result.findings == ()


def test_what_is_wrong_with_a_source_is_told_by_its_field_and_topic(small_card):
    card = with_sources(small_card)
    late = preflight(card, sample_of(card, of_sources(made_up(card), silent_ms=(450, 950))), Known())
    assert [(f.check, f.field) for f in late.findings if f.check == "rate"] == [("rate", "state.sources[0].max_age")]
    gone = preflight(card, sample_of(card, [e for e in of_sources(made_up(card)) if e.topic != "/hand/state"]), Known())
    assert [(f.check, f.field) for f in gone.findings if f.severity == "ERROR"] == [("presence", "state.sources[0].topic")]
    silent = [replace(e, names=("other",)) if e.topic == "/hand/state" else e for e in of_sources(made_up(card))]
    other = preflight(card, sample_of(card, silent), Known())
    told = {f.field: f.seen for f in other.findings if f.check == "joints"}
    assert "in '/hand/state'" in told["arms[0].gripper.joint"]


def test_a_bag_with_sources_is_read_topic_by_topic(small_card, tmp_path):
    from geometry_msgs.msg import WrenchStamped
    from sensor_msgs.msg import JointState

    from vla_contract.ros.stamps import ns_to_stamp
    from vla_replay.preflight.from_bag import sample_of_bag

    card, finger = with_sources(small_card), small_card.arms[0].gripper.joint
    with BagDraft(tmp_path / "bag", card) as draft:
        for k in range(20):
            at = START + k * 10 * MS
            both = JointState(name=["panda_joint1", finger], position=[0.5, 0.01])
            force = WrenchStamped()
            force.wrench.force.z = -7.0
            for topic, message in (("/left/joint_states", both), ("/hand/state", both), ("/left/ft/wrench", force)):
                message.header.stamp = ns_to_stamp(at)
                if topic == "/hand/state":
                    message.position = [9.0, 0.03]
                draft.write(topic, at, message)
    sample = sample_of_bag(tmp_path / "bag", card, namespace="left")
    assert set(sample.state["panda_joint1.position"].values) == {0.5}
    assert set(sample.state[f"{finger}.position"].values) == {0.03} and set(sample.state["wrist.force.z"].values) == {-7.0}
