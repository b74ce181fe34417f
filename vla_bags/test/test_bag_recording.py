"""What is recorded: complete for every reader, and sound where the disk is full or slow."""

import errno
import json
import random
import re
import time
from pathlib import Path

import pytest
import yaml
from bag_samples import MS, START_NS, foreign_bag, samples, type_of
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from shipped_paths import CARD

from vla_bags.bag_folder import BagFolder, open_raw
from vla_bags.definitions import DefinitionError, Definitions, difference
from vla_bags.identity import Identity
from vla_bags.offered_qos import Offered, Wanted, fitting
from vla_bags.reader import Bag, BagError
from vla_bags.recording import Recording, RecordingLimits
from vla_msgs.msg import PolicyInfo

OFFERED = [Offered("best_effort", "volatile", depth=5)]
LIMITS = RecordingLimits(chunk_bytes=4000, chunk_s=0.01, min_free_bytes=0, note_s=0.05)
DEFINITIONS = Definitions()


def _start(folder: BagFolder, messages: dict | None = None, limits: RecordingLimits = LIMITS, **options) -> Recording:
    recording = Recording(folder, limits, **options)
    for topic, message in (messages or samples()).items():
        recording.add_topic(topic, type_of(message), DEFINITIONS.complete(type_of(message)), OFFERED)
    return recording


def _feed(recording: Recording, rounds: int, pause: float = 0.0) -> list[tuple[str, int, bytes]]:
    data, fed = {topic: serialize_message(message) for topic, message in samples().items()}, []
    for k in range(rounds):
        for n, topic in enumerate(data):
            stamp = START_NS + (20 * k + n) * MS
            recording.offer(topic, stamp, stamp - 5, data[topic])
            fed.append((topic, stamp, data[topic]))
        time.sleep(pause)
    return fed


def _seen(path: Path) -> list[tuple[str, int, bytes]]:
    with Bag(path) as bag:
        return [(entry.topic, entry.stamp_ns, entry.data) for entry in bag.entries()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, list]:
    """A bag of all types, with a topic that comes late and one that stays silent."""
    path = tmp_path_factory.mktemp("bags") / "whole"
    messages = samples()
    late = messages.pop("/clamp")
    recording = _start(BagFolder(path, Identity(CARD, None, "/").metadata), messages)
    recording.add_topic("/silent", "std_msgs/msg/String", DEFINITIONS.complete("std_msgs/msg/String"), OFFERED)
    fed = list(_feed_known(recording, messages))
    recording.add_topic("/clamp", type_of(late), DEFINITIONS.complete(type_of(late)), OFFERED)
    fed += _feed(recording, 5)
    recording.note({"policy": "native"})
    recording.close()
    assert recording.failure is None and not recording.dropped
    return path, sorted(fed, key=lambda item: item[1])


def _feed_known(recording, messages):
    for n, (topic, message) in enumerate(messages.items()):
        item = topic, START_NS - (100 - n) * MS, serialize_message(message)
        recording.offer(item[0], item[1], item[1], item[2])
        yield item


def test_all_types_come_back(whole):
    path, fed = whole
    assert _seen(path) == fed
    with Bag(path) as bag:
        assert {entry.topic: message for entry, message in bag.messages()} == samples()
        assert bag.topics["/silent"].count == 0 and not bag.truncated
        assert bag.card().card_hash == bag.metadata["card_hash"]
        assert bag.metadata["policy"] == "native" and bag.metadata["dropped"] == "{}"


def test_the_mcap_library_reads_it_with_every_type_decoded(whole):
    path, fed = whole
    with open(path / "whole_0.mcap", "rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        decoded = {item.channel.topic: item for item in reader.iter_decoded_messages()}
        assert reader.get_header().profile == "ros2" and reader.get_summary().statistics.message_count == len(fed)
        qos = yaml.safe_load(decoded["/clock"].channel.metadata["offered_qos_profiles"])
    assert qos[0]["reliability"] == "best_effort" and qos[0]["depth"] == 5
    assert decoded["/vla/action_chunk"].decoded_message.names == ["arm.x", "arm.gripper"]
    assert decoded["/vla/task_state"].decoded_message.objects[0].name == "red_block"
    assert decoded["/front/image_raw"].decoded_message.header.stamp.sec == 1_700_000_000
    assert decoded["/clock"].message.publish_time == decoded["/clock"].message.log_time - 5
    assert set(decoded) == set(samples())


def test_rosbags_reads_the_folder_with_every_type_decoded(whole):
    path, fed = whole
    with AnyReader([path]) as reader:
        decoded = {c.topic: (c, reader.deserialize(data, c.msgtype)) for c, _, data in reader.messages()}
        assert reader.message_count == len(fed)
        assert {c.topic: c.msgcount for c in reader.connections}["/silent"] == 0
    assert set(decoded) == set(samples())
    assert decoded["/vla/chunk_report"][1].message == "päckchen"
    assert decoded["/joint_states"][0].ext.offered_qos_profiles[0].depth == 5
    information = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["version"] == 9 and information["custom_data"]["card_name"] == "panda_tabletop"


def test_a_recording_cut_anywhere_is_read_up_to_there(whole, tmp_path):
    path, fed = whole
    data, cut = (path / "whole_0.mcap").read_bytes(), tmp_path / "cut.mcap"
    rng = random.Random(1)
    for size in [rng.randrange(len(data)) for _ in range(30)]:
        cut.write_bytes(data[:size])
        seen = _seen(cut)
        assert set(seen) <= set(fed) and len(set(seen)) == len(seen)
        assert len(seen) <= sum(data.find(item[2], 0, size) >= 0 for item in fed)
    cut.write_bytes(data[:-1])
    assert _seen(cut) == fed


class Disk:
    """A file on a disk that is full after some bytes, or takes its time."""

    def __init__(self, path: Path, room: int = 1 << 40, pause: float = 0.0) -> None:
        self.file, self.room, self.pause = open_raw(path), room, pause

    def write(self, data) -> int:
        time.sleep(self.pause)
        if self.file.tell() >= self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(bytes(data)[: self.room - self.file.tell()])

    def seek(self, offset):
        return self.file.seek(offset)

    def truncate(self, size):
        return self.file.truncate(size)

    def close(self):
        self.file.close()


@pytest.mark.parametrize("reserve", [0, 100_000])
def test_a_full_disk_ends_the_recording_and_says_so(tmp_path, reserve):
    disks = []

    class Folder(BagFolder):
        def release_reserve(self):
            super().release_reserve()
            disks[0].room += reserve

    def full(path):
        disks.append(Disk(path, 60_000))
        return disks[0]

    recording = _start(Folder(tmp_path / "bag", {"card_name": "cell"}, open_file=full))
    fed = _feed(recording, 100, pause=0.002)
    recording.close()
    assert "disk is full (No space left on device)" in recording.failure and "\n" not in recording.failure
    seen = _seen(tmp_path / "bag")
    assert seen == fed[: len(seen)] and len(seen) > 50
    assert recording.written == len(seen), "told are those that are in the file"
    assert not recording.offer("/clock", 1, 1, b"")
    with Bag(tmp_path / "bag") as bag:
        assert bag.metadata["card_name"] == "cell"
        assert bag.truncated == (reserve == 0)  # with what was kept back for it, the end fits
        if reserve:
            assert sum(json.loads(bag.metadata["dropped"]).values()) > 0
            assert (tmp_path / "bag" / "metadata.yaml").exists()


def test_recording_ends_before_the_disk_is_full(tmp_path):
    recording = _start(BagFolder(tmp_path / "bag"), limits=RecordingLimits(min_free_bytes=1 << 30), free_bytes=lambda: 9 << 20)
    recording.close()
    assert "9 MiB are free, 1024 MiB must stay" in recording.failure
    with Bag(tmp_path / "bag") as bag:
        assert not bag.truncated


def test_a_slow_disk_costs_images_first_and_each_is_counted(tmp_path):
    folder = BagFolder(tmp_path / "bag", open_file=lambda path: Disk(path, pause=0.02))
    recording = _start(folder, limits=RecordingLimits(queue_bytes=60_000, chunk_bytes=8000, min_free_bytes=0))
    fed = _feed(recording, 100, pause=0.001)
    recording.close()
    assert recording.failure is None
    seen = _seen(tmp_path / "bag")
    missing = {topic: sum(i[0] == topic for i in fed) - sum(i[0] == topic for i in seen) for topic in samples()}
    assert missing["/front/image_raw"] >= 50
    assert {topic: count for topic, count in missing.items() if count} == dict(recording.dropped)
    assert recording.written == len(seen)
    assert missing["/front/image_raw"] == max(missing.values())
    with Bag(tmp_path / "bag") as bag:
        assert json.loads(bag.metadata["dropped"]) == dict(recording.dropped)


def test_a_disk_that_is_slow_for_a_while_costs_images_only(tmp_path):
    folder = BagFolder(tmp_path / "bag")
    room = len(serialize_message(samples()["/front/image_raw"])) * 4
    recording = _start(folder, limits=RecordingLimits(queue_bytes=20_000 + room, min_free_bytes=0))
    with recording._changed:  # the writer's thread waits meanwhile
        fed = _feed(recording, 7)
    recording.close()
    assert set(recording.dropped) <= {"/front/image_raw"}
    assert len(_seen(tmp_path / "bag")) == len(fed) - sum(recording.dropped.values())


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_bags_hold_the_same(tmp_path, compression):
    recording = _start(BagFolder(tmp_path / "bag", compression=compression))
    fed = _feed(recording, 10)
    recording.close()
    assert _seen(tmp_path / "bag") == fed
    with open(tmp_path / "bag" / "bag_0.mcap", "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert {chunk.compression for chunk in reader.get_summary().chunk_indexes} == {compression}
        assert sum(1 for _ in reader.iter_messages()) == len(fed)
    with pytest.raises(BagError, match="compression 'gzip', allowed are none, lz4, zstd"):
        BagFolder(tmp_path / "other", compression="gzip")


def test_a_bag_is_never_overwritten(tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(BagError, match="bag exists already"):
        BagFolder(tmp_path / "bag")


def test_definitions_are_complete_and_missing_ones_named():
    text = DEFINITIONS.complete("vla_msgs/msg/TaskState")
    assert "MSG: vla_msgs/ObjectPose" in text and "MSG: geometry_msgs/Quaternion" in text
    with pytest.raises(DefinitionError, match="no definition of no_msgs/msg/Thing"):
        DEFINITIONS.complete("no_msgs/msg/Thing")
    with pytest.raises(DefinitionError, match="package/msg/Name"):
        DEFINITIONS.complete("std_srvs/srv/Trigger")


def test_another_version_of_a_message_is_refused(tmp_path):
    now = DEFINITIONS.complete("std_msgs/msg/String")
    assert difference(now, now) is None and difference("# a comment\nstring data 'x'\nint8 A=1\n", now) is None
    folder = BagFolder(tmp_path / "bag")
    folder.add_topic("/text", "std_msgs/msg/String", "string data\nint32 more\n", OFFERED)
    folder.write("/text", 1, 1, b"\0" * 16)
    folder.close()
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match="/text .* 'int32 more' in the bag and 'nothing more' here"):
        list(bag.messages())


def test_a_message_that_has_grown_at_its_end_since_is_read_and_the_new_fields_are_named(tmp_path):
    """As TaskState has: what was recorded before stays readable."""
    types = get_typestore(Stores.ROS2_JAZZY)
    old = DEFINITIONS.complete("vla_msgs/msg/TaskState")
    old = re.sub(r"^(string destination_object|float64 goal_distance)$", "", old, flags=re.MULTILINE)
    for name, text in (("TaskState", old), ("ObjectPose", DEFINITIONS.complete("vla_msgs/msg/ObjectPose"))):
        types.register(get_types_from_msg(text.partition("=" * 80)[0], f"vla_msgs/msg/{name}"))
    t = types.types
    time, span = t["builtin_interfaces/msg/Time"], t["builtin_interfaces/msg/Duration"]
    point = t["geometry_msgs/msg/Point"]
    folder = BagFolder(tmp_path / "bag")
    folder.add_topic("/vla/task_state", "vla_msgs/msg/TaskState", old, OFFERED)
    for k in range(12):  # of every length: what follows the last field begins anywhere
        pose = t["geometry_msgs/msg/Pose"](point(0.5, 0.25, 0.125), t["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0))
        objects = [t["vla_msgs/msg/ObjectPose"]("b" * n, pose) for n in range(k % 3)]
        message = t["vla_msgs/msg/TaskState"](
            t["std_msgs/msg/Header"](time(1, 2), "base"), "stack", 3, "put it", 1, span(0, 0), True, False,
            "red_block", "", "x" * k, objects,
        )  # fmt: skip
        folder.write("/vla/task_state", k + 1, 1, bytes(types.serialize_cdr(message, "vla_msgs/msg/TaskState")))
    folder.close()
    with Bag(tmp_path / "bag") as bag:
        assert bag.absent_fields("/vla/task_state") == ("destination_object", "goal_distance")
        read = [message for _, message in bag.messages()]
    assert [m.held_object for m in read] == ["x" * k for k in range(12)]
    assert [[o.name for o in m.objects] for m in read] == [["b" * n for n in range(k % 3)] for k in range(12)]
    assert {(m.destination_object, m.goal_distance, m.target_object) for m in read} == {("", 0.0, "red_block")}


@pytest.mark.parametrize("kind", ["sqlite3", "message", "file"])
def test_bags_of_others_are_read_the_same(tmp_path, kind):
    foreign_bag(tmp_path / "bag", kind)
    with Bag(tmp_path / "bag") as bag:
        assert [message.data for _, message in bag.messages(start_ns=START_NS + 1, end_ns=START_NS + 3)] == ["t1", "t2", "t3"]
        assert (bag.start_ns, bag.end_ns, bag.topics["/robot/text"].count) == (START_NS, START_NS + 4, 5)
        assert bag.metadata["card_name"] == "theirs" and bag.find("text") == "/robot/text" and not bag.truncated


def test_a_subscription_asks_for_no_more_than_all_publishers_offer():
    reliable, latched = Offered("reliable", "volatile"), Offered("reliable", "transient_local")
    assert fitting([latched, latched]) == Wanted(True, True)
    assert fitting([latched, reliable]) == Wanted(True, False)
    assert fitting([latched, *OFFERED]) == Wanted(False, False)


def test_the_graphs_word_on_card_and_checkpoint_counts(card):
    identity = Identity(CARD, Path(CARD), "cell")
    said = PolicyInfo(card_name=card.name, card_hash=card.card_hash, policy_hash=card.policy_hash, checkpoint_hash="ff" * 32)
    changed, complaints = identity.hear_policy(said)
    assert changed["checkpoint_hash"] == "ff" * 32 and "the policy runs checkpoint" in complaints[0]
    assert identity.hear_policy(said)[0] == {}
    changed, complaints = identity.hear_card("other", "1234")
    assert changed["card"] == "" and "the graph runs card other (1234)" in complaints[0]
