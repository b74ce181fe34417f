"""A bag whose camera images were packed is read as the raw one that it was."""

import threading
from dataclasses import asdict

import pytest
import rclpy
import yaml
from preflight_samples import SIDE, card_with_small_images, made_up
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from replay_samples import record_live, swinging
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState

from vla_bags.bag_folder import BagFolder
from vla_bags.image_packer import ImageKeeping
from vla_bags.reader import Bag
from vla_bench.packing.run_bag import packed_copy
from vla_bench.preflight.write_bag import write_bag
from vla_bringup import cli
from vla_evidence.ledger.ledger import build_ledger
from vla_evidence.report.images import images_from_bag
from vla_evidence.rows.from_bag import BagRows
from vla_graph.domains import free_domain
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline.inputs import packed_words
from vla_replay.offline.replay import Replay
from vla_replay.preflight.from_bag import sample_of_bag
from vla_replay.preflight.known import Known
from vla_replay.preflight.preflight import preflight
from vla_replay.preflight.topics import IMAGE
from vla_replay.ros.replay_graph import GraphPlayer

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def bags(card, model, tmp_path_factory):
    """The same run raw, as PNG, as JPEG and as video."""
    folder = tmp_path_factory.mktemp("packed")
    record_live(folder / "raw", card, model, 1.5)
    with Bag(folder / "raw") as raw:
        packed_copy(raw, folder / "png", ImageKeeping("png"))
        packed_copy(raw, folder / "jpeg", ImageKeeping("jpeg", 91))
        packed_copy(raw, folder / "h264", ImageKeeping("h264"))
    return folder


def replayed(path, card):
    with Bag(path) as bag:
        figures = Replay(bag, card, {"policy": ScriptedPolicy(card, swinging(card))}, ()).run()
        return figures.missing_topics, figures.observations, figures.policies["policy"].against_recorded, packed_words(bag, card)


def test_a_replay_sees_every_image_and_without_loss_the_same_ones(card, bags):
    raw, png, jpeg, video = (replayed(bags / kind, card) for kind in ("raw", "png", "jpeg", "h264"))
    assert raw[0] == png[0] == jpeg[0] == video[0] == () and raw[1].rebuilt == raw[1].chunks > 2
    assert raw[1] == png[1] == jpeg[1] == video[1]
    assert raw[2].largest == png[2].largest == 0.0 and png[2].equal_chunks == png[2].chunks == jpeg[2].chunks
    assert jpeg[2].largest > 0.0 and video[2].largest > 0.0, "this policy looks at single pixels"
    assert "front (h264, crf 14), wrist (h264, crf 14)" in video[3]
    assert raw[3] == png[3] == "" and "front (jpeg, quality 91), wrist (jpeg, quality 91)" in jpeg[3]


def test_ledger_rows_and_report_have_what_they_have_of_the_raw_one(card, bags):
    def read(kind):
        with Bag(bags / kind) as bag:
            rows = BagRows(bag)
            first = rows.first_images(rows.runs[0])
            instant = next(iter(bag.entries(["/vla/action_chunk"]))).stamp_ns
            shown, unreadable = images_from_bag(bag, card, {1: (instant, None)})
            return build_ledger(bag).as_dict()["overall"], first, [(i.camera, i.early_ms) for i in shown[1]], unreadable

    raw, png, jpeg, video = (read(kind) for kind in ("raw", "png", "jpeg", "h264"))
    assert raw[0] == png[0] == jpeg[0] == video[0] and set(raw[0]["ages"]) >= {"front", "wrist"}
    assert raw[2:] == png[2:] == jpeg[2:] == video[2:] and len(raw[2]) == 2 and raw[3] == []
    assert {k: v.tobytes() for k, v in raw[1].items()} == {k: v.tobytes() for k, v in png[1].items()} and len(raw[1]) == 2
    assert jpeg[1]["front"].shape == raw[1]["front"].shape


@pytest.mark.parametrize("namespace, keeping", [
    ("", ImageKeeping("jpeg", 80)), ("left", ImageKeeping("jpeg", 80)), ("left", ImageKeeping("h264")),
])  # fmt: skip
def test_the_preflight_finds_as_little_as_in_the_raw_one(tmp_path, namespace, keeping):
    card = card_with_small_images(SIDE)
    write_bag(tmp_path / "raw", card, made_up(card), card_text=yaml.safe_dump(card.to_dict()), namespace=namespace)
    with Bag(tmp_path / "raw") as raw:
        packed_copy(raw, tmp_path / "packed", keeping)
    samples = [sample_of_bag(tmp_path / kind, card) for kind in ("raw", "packed")]
    found = [[asdict(finding) for finding in preflight(card, sample, Known()).findings] for sample in samples]
    assert found[0] == found[1]
    plain, packed = (sample.streams["front/image_raw"] for sample in samples)
    assert dict(packed.types) == dict(plain.types) == {IMAGE: 60} and packed.count == plain.count
    assert samples[1].cameras["wrist"].encodings == {"rgb8": 60} and samples[1].cameras["wrist"].sizes == {(SIDE, SIDE): 60}


def test_a_bag_that_another_recorder_listened_for_compressed_images_in_is_told(tmp_path, bags, card):
    """It says nothing of what the policy gets; a replay reads it all the same."""
    with Bag(bags / "jpeg") as bag:
        folder = BagFolder(tmp_path / "theirs", {key: bag.metadata[key] for key in ("card", "namespace")})
        for topic in bag.topics.values():
            folder.add_topic(topic.name, topic.type, topic.definition, ())
        for entry in bag.entries():
            folder.write(entry.topic, entry.stamp_ns, entry.stamp_ns, entry.data)
        folder.close()
    findings = preflight(card, sample_of_bag(tmp_path / "theirs", card), Known()).findings
    absent = [f.seen for f in findings if f.check == "presence" and f.field.startswith("cameras")]
    assert len(absent) == 2 and "no topic 'front/image_raw' in bag theirs" in absent[0]
    assert replayed(tmp_path / "theirs", card)[0] == ()


def test_the_command_tells_that_the_policy_saw_other_images(card, bags, capsys, tmp_path):
    checkpoint = "scripted:hold"
    cli.main(["replay", str(bags / "jpeg"), "--checkpoint", checkpoint, "--no-controller", "--json", str(tmp_path / "r.json")])
    assert "images were packed when they were recorded: front (jpeg, quality 91)" in capsys.readouterr().out.replace("\n", " ")


def test_the_player_sends_raw_images(card, bags, monkeypatch, tmp_path):
    with Bag(bags / "png") as bag:  # and one image that nobody can read
        folder = BagFolder(tmp_path / "cut", bag.metadata)
        for topic in bag.topics.values():
            folder.add_topic(topic.name, topic.type, topic.definition, ())
        seen = set()
        for entry in bag.entries(["/front/image_raw/compressed", "/wrist/image_raw/compressed", "/joint_states"]):
            first = entry.topic.startswith("/wrist") and entry.topic not in seen
            seen.add(entry.topic)
            folder.write(entry.topic, entry.stamp_ns, entry.stamp_ns, broken(entry.data) if first else entry.data)
        folder.close()
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    context = Context()
    rclpy.init(context=context)
    node, done, heard = Node("listener", context=context), threading.Event(), []
    for topic, kind in (("front/image_raw", Image), ("wrist/image_raw", Image), ("joint_states", JointState), ("/clock", Clock)):
        node.create_subscription(kind, topic, lambda m, t=topic: heard.append((t, m)), QoSProfile(depth=500))
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin():
        while not done.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        with Bag(tmp_path / "cut") as bag, GraphPlayer(bag, card, rate=0.8) as player:
            played = player.play()
        done.wait(0.5)
    finally:
        done.set()
        thread.join()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert played.missing_topics == () and played.unreadable == {"wrist/image_raw": 1}
    with Bag(bags / "raw") as raw:
        sent = {m.header.stamp.sec * 10**9 + m.header.stamp.nanosec: m for _, m in raw.messages(["/front/image_raw"])}
    images = [m for topic, m in heard if topic == "front/image_raw"]
    assert len(images) >= 0.8 * (len(sent) - 2)
    assert all(m == sent[m.header.stamp.sec * 10**9 + m.header.stamp.nanosec] for m in images)


def broken(data: bytes) -> bytes:
    message = deserialize_message(data, CompressedImage)
    message.data = message.data[: len(message.data) // 2]
    return serialize_message(message)

