"""Raw camera images that are packed on their way to the bag: each on one topic, none in silence, nothing else held back."""

import json
import threading
import time
from array import array

import numpy as np
import pytest
from bag_samples import MS, START_NS, samples, type_of
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from vla_bags.bag_folder import BagFolder
from vla_bags.definitions import Definitions
from vla_bags.image_packer import VIDEO_TYPE, ImageKeeping, ImagePacker
from vla_bags.offered_qos import Offered
from vla_bags.reader import Bag, BagError
from vla_bags.recorded_cameras import find_camera, packed_images
from vla_bags.recording import Recording, RecordingLimits
from vla_bags.video_messages import VideoPacker
from vla_contract.image_encodings import ImageError
from vla_contract.ros.image_packing import pack_serialized

TOPIC = "/front/image_raw"
PACKED = f"{TOPIC}/compressed"
LIMITS = RecordingLimits(chunk_bytes=4000, chunk_s=0.01, min_free_bytes=0, note_s=0.05)
DEFINITIONS = Definitions()
OFFERED = (Offered("best_effort", "volatile", depth=5),)


def image(number: int, encoding: str = "rgb8") -> Image:
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([3 * x, 4 * y, x + y + number], axis=2).astype(np.uint8)
    message = Image(height=48, width=64, encoding=encoding, step=192, data=array("B", pixels.tobytes()))
    message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = 1_700_000_000, number, "eye"
    return message


def start(path, kind="jpeg", quality=93, pack=pack_serialized, limits=LIMITS, compression="none") -> Recording:
    folder = BagFolder(path, {"namespace": ""}, compression)
    recording = Recording(folder, limits, packer=ImagePacker(folder, ImageKeeping(kind, quality), pack, VideoPacker))
    raw, packed, state = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "JointState"))
    definitions = {kind: DEFINITIONS.complete(kind) for kind in (packed, VIDEO_TYPE)}
    recording.add_topic(TOPIC, raw, DEFINITIONS.complete(raw), OFFERED, "RIHS", definitions)
    recording.add_topic("/joint_states", state, DEFINITIONS.complete(state), OFFERED)
    return recording


def offer(recording: Recording, number: int, message: Image | None = None) -> None:
    at = START_NS + number * MS
    recording.offer(TOPIC, at, at - 5, serialize_message(message or image(number)))


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_images_are_packed_under_their_stamps_and_the_bag_says_so(tmp_path, card, compression):
    recording = start(tmp_path / "bag", compression=compression)
    for number in range(20):
        offer(recording, number)
    recording.close()
    assert recording.failure is None and recording.written == 20 and not recording.dropped
    with Bag(tmp_path / "bag") as bag:
        assert TOPIC not in bag.topics and bag.topics[PACKED].type == "sensor_msgs/msg/CompressedImage"
        assert packed_images(bag) == {PACKED: "jpeg, quality 93"}
        seen = list(bag.messages([PACKED]))
        assert [entry.stamp_ns for entry, _ in seen] == [START_NS + number * MS for number in range(20)]
        assert [message.header for _, message in seen] == [image(number).header for number in range(20)]
        assert seen[0][1].format == "rgb8; jpeg compressed bgr8" and sum(len(e.data) for e, _ in seen) < 20 * 48 * 64 * 3 / 3
        topic, camera = find_camera(bag, card.cameras[0])
        assert topic == PACKED and camera.compressed and not card.cameras[0].compressed


def test_a_topic_whose_first_image_cannot_be_packed_stays_raw(tmp_path, card):
    recording = start(tmp_path / "bag")
    offer(recording, 0, image(0, "32FC1"))
    for number in range(1, 5):
        offer(recording, number)
    recording.close()
    assert recording.written == 5 and "32FC1" in recording.not_packed[TOPIC]
    with Bag(tmp_path / "bag") as bag:
        assert PACKED not in bag.topics and bag.topics[TOPIC].count == 5 and packed_images(bag) == {}
        assert [message for _, message in bag.messages([TOPIC])][1:] == [image(number) for number in range(1, 5)]
        assert "its images stay raw" in json.loads(bag.metadata["not_packed"])[TOPIC]
        assert find_camera(bag, card.cameras[0]) == (TOPIC, card.cameras[0])


def test_a_later_one_that_cannot_is_dropped_and_counted(tmp_path):
    recording = start(tmp_path / "bag", kind="png")
    for number in range(6):
        offer(recording, number, image(number, "8UC3" if number in (2, 4) else "rgb8"))
    recording.close()
    assert dict(recording.dropped) == {TOPIC: 2} and recording.written == 4
    with Bag(tmp_path / "bag") as bag:
        assert [message.header.stamp.nanosec for _, message in bag.messages([PACKED])] == [0, 1, 3, 5]
        assert json.loads(bag.metadata["dropped"]) == {TOPIC: 2} and packed_images(bag) == {PACKED: "png"}
        assert "such images are dropped" in json.loads(bag.metadata["not_packed"])[TOPIC]


def test_a_topic_without_images_is_in_the_bag_under_its_own_name(tmp_path):
    start(tmp_path / "bag").close()
    with Bag(tmp_path / "bag") as bag:
        assert bag.topics[TOPIC].count == 0 and bag.topics[TOPIC].type == "sensor_msgs/msg/Image" and PACKED not in bag.topics


def test_a_slow_encoder_costs_images_only_and_holds_nothing_back(tmp_path):
    """The joint states are on the disk while the encoder is still at the first images."""
    held, packed = threading.Event(), []

    def slow(data: bytes, kind: str, quality: int) -> bytes:
        packed.append((kind, quality))
        if len(packed) > 1:
            held.wait(20)
        return pack_serialized(data, kind, quality)

    size = len(serialize_message(image(0)))
    recording = start(tmp_path / "bag", pack=slow, limits=RecordingLimits(8 * size, 4000, 0.01, 0, 0.05))
    state = serialize_message(samples()["/joint_states"])
    for number in range(30):
        offer(recording, number)
        at = START_NS + number * MS + 1
        assert recording.offer("/joint_states", at, at, state)
    held.set()
    recording.close()
    with Bag(tmp_path / "bag") as bag:
        assert bag.topics["/joint_states"].count == 30
        kept = [message.header.stamp.nanosec for _, message in bag.messages([PACKED])]
        assert len(kept) + recording.dropped[TOPIC] == 30 and set(recording.dropped) == {TOPIC} and recording.dropped[TOPIC] > 15
        assert kept == sorted(kept) and kept[-1] == 29, "the oldest go first"
        stamps = [entry.stamp_ns for entry in bag.entries()]
        assert stamps == sorted(stamps)
    assert set(packed) == {("jpeg", 93)}


def test_other_messages_do_not_wait_for_images_that_are_packed(tmp_path):
    began, go = threading.Event(), threading.Event()

    def slow(data: bytes, kind: str, quality: int) -> bytes:
        began.set()
        assert go.wait(20)
        time.sleep(0.02)
        return pack_serialized(data, kind, quality)

    recording = start(tmp_path / "bag", pack=slow)
    offer(recording, 0)
    assert began.wait(10)
    for number in range(1, 50):
        offer(recording, number)
    recording.offer("/joint_states", START_NS, START_NS, serialize_message(samples()["/joint_states"]))
    go.set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with Bag(tmp_path / "bag") as bag:  # cut short, as a kill would leave it
            if bag.topics.get("/joint_states") and bag.topics["/joint_states"].count:
                break
        time.sleep(0.02)
    written = recording.written
    recording.close()
    assert written < 40, "the joint state came with the first images, not behind the last"


@pytest.mark.parametrize("given, words", [
    (("webp", 95), "images 'webp', allowed are raw, jpeg, png, h264"), (("jpeg", 0), "jpeg_quality 0, allowed are 1 to 100"),
    (("jpeg", 101), "jpeg_quality 101, allowed are 1 to 100"),
])  # fmt: skip
def test_wrong_settings_are_named(given, words):
    with pytest.raises(BagError, match=words):
        ImageKeeping(*given)


@pytest.mark.parametrize("told", ["", "[]", "{", '"x"', "7"])
def test_metadata_of_others_say_nothing_of_packing(tmp_path, told):
    BagFolder(tmp_path / "bag", {"packed_images": told}).close()
    with Bag(tmp_path / "bag") as bag:
        assert packed_images(bag) == {}


def test_a_camera_is_found_raw_first_and_by_its_type(tmp_path, card):
    """Of a bag that has both; of one whose raw topic is empty; of one that has something else there."""
    camera = card.cameras[0]

    def bag_of(name: str, *messages: tuple[str, object, bool]) -> Bag:
        folder = BagFolder(tmp_path / name, {"namespace": ""})
        for topic, message, with_message in messages:
            folder.add_topic(topic, type_of(message), DEFINITIONS.complete(type_of(message)), ())
            if with_message:
                folder.write(topic, START_NS, START_NS, serialize_message(message))
        folder.close()
        return Bag(tmp_path / name)

    jpeg = deserialize_message(pack_serialized(serialize_message(image(3)), "jpeg", 95), CompressedImage)
    with bag_of("both", (TOPIC, image(1), True), (PACKED, jpeg, True)) as bag:
        assert find_camera(bag, camera) == (TOPIC, camera)
        assert find_camera(bag, camera.model_copy(update={"compressed": True}))[0] == PACKED
    with bag_of("empty", (TOPIC, image(1), False), (PACKED, jpeg, True)) as bag:
        assert find_camera(bag, camera)[0] == PACKED
    with bag_of("silent", (TOPIC, image(1), False)) as bag:
        assert find_camera(bag, camera) == (TOPIC, camera)
        assert find_camera(bag, card.cameras[1]) is None
    with bag_of("other", (PACKED, image(1), True)) as bag:
        with pytest.raises(BagError, match="is of type sensor_msgs/msg/Image, needed is sensor_msgs/msg/CompressedImage"):
            find_camera(bag, camera)
        assert find_camera(bag, camera, any_type=True)[0] == PACKED


def test_an_image_error_of_the_pack_is_no_end_of_the_recording(tmp_path):
    def refuses(data: bytes, kind: str, quality: int) -> bytes:
        raise ImageError("no colours")

    recording = start(tmp_path / "bag", pack=refuses)
    offer(recording, 0)
    recording.close()
    assert recording.failure is None and recording.not_packed == {TOPIC: "no colours; its images stay raw"}
