"""The recorder in a graph: the card's raw cameras are packed, what else there is stays as it came."""

import json
import threading
import time

import numpy as np
import pytest
import rclpy
import yaml
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from shipped_paths import CARD

from vla_bags.entries import BagError
from vla_bags.image_packer import ImageKeeping
from vla_bags.reader import Bag
from vla_bags.recorded_cameras import packed_images
from vla_bags.recorder_settings import RecorderSettings
from vla_bags.ros.recorder_node import RecorderNode
from vla_bringup import cli
from vla_contract.recording import RecordingError
from vla_contract.ros.images import array_to_image
from vla_contract.ros.qos import SENSOR
from vla_graph.domains import free_domain

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def depth_card(tmp_path):
    """The shipped card, its second camera one of depth."""
    content = yaml.safe_load(CARD.read_text())
    content["cameras"][1] |= {"encoding": "16UC1", "depth": {"near": 0.1, "far": 2.0}}
    path = tmp_path / "depth.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def pixels(number: int) -> np.ndarray:
    y, x = np.mgrid[:60, :80]
    return np.stack([2 * x, 3 * y, x + number], axis=2).astype(np.uint8)


def record(monkeypatch, settings: RecorderSettings, topics: dict[str, str], count: int = 10) -> None:
    """Records so many images of each topic and encoding in a namespace, from a node of its own."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    rclpy.init()
    try:
        camera = Node("camera", namespace="left")
        publishers = {topic: camera.create_publisher(Image, topic, SENSOR) for topic in topics}
        recorder = RecorderNode(threading.Event(), settings, "left")
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        deadline = time.monotonic() + 20
        while any(not p.get_subscription_count() for p in publishers.values()) and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        for number in range(count):
            for topic, encoding in topics.items():
                publishers[topic].publish(array_to_image(pixels(number), 1_000_000_000 + number, "eye", encoding))
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                executor.spin_once(timeout_sec=0.01)
        recorder.close()
        assert recorder.failure is None
        recorder.destroy_node()
        camera.destroy_node()
    finally:
        rclpy.shutdown()


def test_cameras_of_the_card_become_videos_and_depth_without_loss(tmp_path, monkeypatch, depth_card):
    topics = {"front/image_raw": "bgr8", "wrist/image_raw": "16UC1"}
    settings = RecorderSettings(tmp_path / "bag", depth_card, topics=tuple(topics), images=ImageKeeping("h264"))
    record(monkeypatch, settings, topics)
    with Bag(tmp_path / "bag") as bag:
        assert packed_images(bag) == {"/left/front/image_raw": "h264, crf 14", "/left/wrist/image_raw/compressed": "png"}
        seen = [message for _, message in bag.messages(["/left/front/image_raw"])]
    assert [m.header.stamp.nanosec for m in seen][-8:] == list(range(2, 10)) and {m.encoding for m in seen} == {"bgr8"}
    shown = np.array(seen[-1].data, dtype=np.uint8).reshape(60, 80, 3)[:, :, ::-1]
    assert np.abs(shown.astype(int) - pixels(9)).mean() < 4


def test_cameras_of_the_card_are_packed_and_depth_without_loss(tmp_path, monkeypatch, depth_card):
    topics = {"front/image_raw": "rgb8", "wrist/image_raw": "16UC1", "mask/image_raw": "mono8"}
    settings = RecorderSettings(
        tmp_path / "bag", depth_card, topics=tuple(topics), compression="lz4", images=ImageKeeping("jpeg", 88)
    )
    record(monkeypatch, settings, topics)
    with Bag(tmp_path / "bag") as bag:
        assert set(bag.topics) == {
            "/left/front/image_raw/compressed", "/left/wrist/image_raw/compressed", "/left/mask/image_raw",
        }  # fmt: skip
        assert all(topic.count >= 8 for topic in bag.topics.values())
        assert set(packed_images(bag)) == {t for t in bag.topics if t.endswith("/compressed")}
        formats = {entry.topic: message.format for entry, message in bag.messages(list(packed_images(bag)))}
        assert formats == {
            "/left/front/image_raw/compressed": "rgb8; jpeg compressed bgr8",
            "/left/wrist/image_raw/compressed": "16UC1; png compressed ",
        }  # fmt: skip
        stamps = [m.header.stamp.nanosec for _, m in bag.messages(["/left/front/image_raw/compressed"])]
        assert stamps == sorted(stamps) and stamps[-1] == 9
        assert bag.card().camera("front").compressed is False and bag.card().card_hash == bag.metadata["card_hash"]


def test_nothing_is_packed_onto_a_topic_that_is_recorded_itself(tmp_path, monkeypatch):
    settings = RecorderSettings(
        tmp_path / "bag", CARD, topics=("front/image_raw", "front/image_raw/compressed"), images=ImageKeeping("png")
    )
    record(monkeypatch, settings, {"front/image_raw": "rgb8"}, count=3)
    with Bag(tmp_path / "bag") as bag:
        assert set(bag.topics) == {"/left/front/image_raw"} and packed_images(bag) == {}
        assert json.loads(bag.metadata["dropped"]) == {}


@pytest.mark.parametrize("given, words", [
    ({"images": "jpg"}, "images 'jpg', allowed are raw, jpeg, png"),
    ({"jpeg_quality": 0}, "jpeg_quality 0, allowed are 1 to 100"),
    ({"compression": "gzip"}, "compression 'gzip', allowed are none, lz4, zstd"),
    ({"min_free_mib": -5}, "min_free_mib -5, allowed are 0 and above"),
    ({"duration": ".nan"}, "duration nan, allowed are 0 and above"),
    ({"min_free_mib": 1 << 40}, "the disk is nearly full: [0-9]+ MiB are free"),
])  # fmt: skip
def test_parameters_out_of_range_are_told(tmp_path, monkeypatch, given, words):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    values = {"card": str(CARD), "out": str(tmp_path / "bag"), **given}
    arguments = ["--ros-args", *(word for name, value in values.items() for word in ("-p", f"{name}:={value}"))]
    rclpy.init(args=arguments)
    try:
        with pytest.raises((BagError, RecordingError), match=words):
            RecorderNode(threading.Event())
    finally:
        rclpy.shutdown()
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("launched", [True, False])
def test_a_disk_that_fills_up_ends_what_records_alone_and_no_launched_graph(tmp_path, monkeypatch, launched):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    ended, out = threading.Event(), tmp_path / "bag"
    rclpy.init(args=["--ros-args", "-p", f"card:={CARD}", "-p", f"out:={out}"] if launched else None)
    try:
        recorder = RecorderNode(ended, None if launched else RecorderSettings(out, CARD))
        recorder.recording.failure = "the disk is full"
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        for _ in range(3):
            executor.spin_once(timeout_sec=1.0)
        assert ended.is_set() is not launched
        recorder.close()
        assert recorder.failure == "the disk is full", "its exit code tells it in the end"
        recorder.destroy_node()
    finally:
        rclpy.shutdown()


@pytest.mark.parametrize(("words", "told"), [
    (["--images", "jpeg", "--jpeg-quality", "101"], "--jpeg-quality is 101, allowed is 1 to 100"),
    (["--images", "h264", "--jpeg-quality", "80"], "--jpeg-quality is of --images jpeg, and images are h264"),
    (["--jpeg-quality", "80"], "--jpeg-quality is of --images jpeg, and images are raw"),
])  # fmt: skip
def test_the_verb_names_a_quality_that_is_out_of_range_or_means_nothing(tmp_path, capsys, words, told):
    assert cli.main(["record", "--out", str(tmp_path / "bag"), *words]) == cli.USER_ERROR
    assert told in capsys.readouterr().err and not (tmp_path / "bag").exists()
