"""Cameras kept as a video: small, in the bag as a type that others know, and read as the raw images that they were."""

import json

import numpy as np
import pytest
from bag_samples import MS, START_NS
from rclpy.serialization import serialize_message
from test_packed_recording import PACKED, TOPIC, image, offer, start

from vla_bags.bag_folder import BagFolder
from vla_bags.definitions import Definitions
from vla_bags.image_packer import VIDEO_TYPE
from vla_bags.mcap_file import McapFile
from vla_bags.reader import Bag, BagError
from vla_bags.recorded_cameras import find_camera, packed_images
from vla_bags.video import has_keyframe
from vla_bags.video_messages import VideoPacker
from vla_contract.ros.images import pixels_of

EVERY_MS = 40


def record(path, count=60, encoding="rgb8", every_ms=EVERY_MS):
    recording = start(path, kind="h264")
    for number in range(count):
        offer(recording, number * every_ms, image(number, encoding))
    recording.close()
    assert recording.failure is None, recording.failure
    return recording


def stored(path) -> dict[str, list[bytes]]:
    """What lies in the file, by topic."""
    file = McapFile(next(path.glob("*.mcap")), path)
    found = {channel.topic: [] for channel in file.channels.values()}
    for part in file.parts:
        for number, _, data in file.messages(part, set(file.channels)):
            found[file.channels[number].topic].append(data)
    file.close()
    return found


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
def test_what_is_stored_is_a_small_video_and_what_is_read_are_the_raw_images(tmp_path, card, encoding):
    assert record(tmp_path / "bag", encoding=encoding).not_packed == {}
    video = stored(tmp_path / "bag")
    assert TOPIC not in video and PACKED not in video and len(video[f"{TOPIC}/video"]) == 60
    assert sum(map(len, video[f"{TOPIC}/video"])) < 60 * 48 * 64 * 3 / 15
    with Bag(tmp_path / "bag") as bag:
        assert f"{TOPIC}/video" not in bag.topics
        assert (bag.topics[TOPIC].type, bag.topics[TOPIC].count) == ("sensor_msgs/msg/Image", 60)
        assert packed_images(bag) == {TOPIC: "h264, crf 14"}
        camera = card.cameras[0].model_copy(update={"encoding": encoding})
        assert find_camera(bag, camera) == (TOPIC, camera)
        seen = list(bag.messages([TOPIC]))
    assert [entry.stamp_ns for entry, _ in seen] == [START_NS + n * EVERY_MS * MS for n in range(60)]
    assert [message.header for _, message in seen] == [image(n).header for n in range(60)]
    assert {message.encoding for _, message in seen} == {encoding}
    off = [np.abs(pixels_of(camera, m).astype(int) - pixels_of(camera, image(n, encoding))) for n, (_, m) in enumerate(seen)]
    assert np.mean(off) < 4 and max(one.mean() for one in off) < 6, "each is the image of its own stamp"
    neighbour = np.abs(pixels_of(camera, seen[30][1]).astype(int) - pixels_of(camera, image(40, encoding))).mean()
    assert neighbour > np.mean(off[30]) + 1, "and of no other"


def test_a_part_is_read_as_it_is_in_the_whole(tmp_path):
    """Whoever begins in the middle sees the same images, though these are told by what came before."""
    record(tmp_path / "bag", count=100)
    begin, end = START_NS + 2310 * MS, START_NS + 3330 * MS
    with Bag(tmp_path / "bag") as bag:
        whole = [(e.stamp_ns, m) for e, m in bag.messages([TOPIC]) if begin <= e.stamp_ns <= end]
        part = [(e.stamp_ns, m) for e, m in bag.messages([TOPIC], begin, end)]
        both = [e.topic for e in bag.entries(None, begin, end)]
    assert part == whole and len(part) == 26 and both == [TOPIC] * 26


def test_a_keyframe_comes_each_second_however_slow_the_camera_is(tmp_path):
    record(tmp_path / "fast", count=90)
    keys = [n for n, data in enumerate(stored(tmp_path / "fast")[f"{TOPIC}/video"]) if has_keyframe(data)]
    assert keys == [0, 25, 50, 75]
    record(tmp_path / "slow", count=6, every_ms=1500)
    assert all(map(has_keyframe, stored(tmp_path / "slow")[f"{TOPIC}/video"]))


def test_a_bag_that_was_cut_begins_at_its_first_keyframe(tmp_path):
    record(tmp_path / "bag")
    folder = BagFolder(tmp_path / "cut", {"namespace": "", "videos": json.dumps({TOPIC: "rgb8"})})
    folder.add_topic(f"{TOPIC}/video", VIDEO_TYPE, Definitions().complete(VIDEO_TYPE), ())
    for number, data in enumerate(stored(tmp_path / "bag")[f"{TOPIC}/video"][10:]):
        folder.write(f"{TOPIC}/video", START_NS + number, START_NS, data)
    folder.close()
    with Bag(tmp_path / "cut") as bag:
        assert [m.header.stamp.nanosec for _, m in bag.messages([TOPIC])] == list(range(25, 60)), "no grey pictures before it"


@pytest.mark.parametrize("damage, words", [
    (lambda frame: b"\0\0\1\x65" + bytes(40), "no h264 frame"), (lambda frame: frame[: len(frame) // 8], "front/image_raw/video"),
    (lambda frame: b"", "frames in a message"),
])  # fmt: skip
def test_a_damaged_video_is_told_with_its_topic(tmp_path, damage, words):
    from array import array

    from foxglove_msgs.msg import CompressedVideo
    from rclpy.serialization import deserialize_message

    packer = VideoPacker()
    frames = [deserialize_message(packer.pack(serialize_message(image(n)), n), CompressedVideo) for n in range(2)]
    frames[1].data = array("B", damage(bytes(frames[1].data)))
    folder = BagFolder(tmp_path / "bag", {"namespace": "", "videos": json.dumps({TOPIC: "rgb8"})})
    folder.add_topic(f"{TOPIC}/video", VIDEO_TYPE, Definitions().complete(VIDEO_TYPE), ())
    for number, frame in enumerate(frames):
        folder.write(f"{TOPIC}/video", START_NS + number, START_NS, serialize_message(frame))
    folder.close()
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match=words):
        list(bag.messages([TOPIC]))


@pytest.mark.parametrize("told", ["[]", "{", json.dumps({"/other": "rgb8"})])
def test_a_video_of_somebody_else_stays_what_it_is(tmp_path, told):
    folder = BagFolder(tmp_path / "bag", {"namespace": "", "videos": told})
    folder.add_topic(f"{TOPIC}/video", VIDEO_TYPE, Definitions().complete(VIDEO_TYPE), ())
    folder.close()
    with Bag(tmp_path / "bag") as bag:
        assert TOPIC not in bag.topics and bag.topics[f"{TOPIC}/video"].type == VIDEO_TYPE


def test_what_no_video_can_hold_becomes_png_and_says_so(tmp_path):
    """Depth has 16 bits; 4:2:0 has pixels in fours."""
    recording = start(tmp_path / "bag", kind="h264")
    depth = image(0, "16UC1")
    depth.width, depth.step = 96, 192
    offer(recording, 0, depth)
    recording.close()
    assert "its images are kept as png" in recording.not_packed[TOPIC]
    with Bag(tmp_path / "bag") as bag:
        assert bag.topics[PACKED].count == 1 and packed_images(bag) == {PACKED: "png"}


def test_an_image_of_another_size_is_dropped_and_counted(tmp_path):
    recording = start(tmp_path / "bag", kind="h264")
    other = image(1)
    other.height, other.data = 24, other.data[: 24 * 192]
    for number, message in enumerate([image(0), other, image(2)]):
        offer(recording, number, message)
    recording.close()
    assert dict(recording.dropped) == {TOPIC: 1} and "64x24 pixels in a video of 64x48" in recording.not_packed[TOPIC]
    with Bag(tmp_path / "bag") as bag:
        assert [m.header.stamp.nanosec for _, m in bag.messages([TOPIC])] == [0, 2]
