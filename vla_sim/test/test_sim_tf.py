"""What is published of the frames, with a stand-in where tf2_msgs is not installed."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from vla_contract.ros.stamps import stamp_to_ns
from vla_sim.frames import FramePose
from vla_sim.ros import tf

POSE = FramePose("hand", "camera", np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.6, 0.0, 0.8]))


class FakeNode:
    def __init__(self):
        self.logged, self.published = [], {}

    def get_logger(self):
        return SimpleNamespace(info=self.logged.append)

    def create_publisher(self, kind, topic, qos):
        return SimpleNamespace(publish=self.published.setdefault(topic, []).append)


def test_without_tf2_msgs_nothing_is_published_and_it_is_said_once(monkeypatch):
    monkeypatch.setattr(tf, "TFMessage", None)
    node = FakeNode()
    publisher = tf.TransformPublisher(node)
    publisher.fixed([POSE], 0)
    publisher.moving([POSE], 0)
    assert not publisher.is_due(10**9)
    assert not node.published and len(node.logged) == 1 and "tf2_msgs" in node.logged[0]


def test_frames_go_out_at_50_hz_with_the_state_s_stamp(monkeypatch):
    monkeypatch.setattr(tf, "TFMessage", SimpleNamespace)
    node = FakeNode()
    publisher = tf.TransformPublisher(node)
    publisher.fixed([POSE], 5 * 10**9)
    stamps = [10**9 + k * 10_000_000 for k in range(100)]
    for now in stamps:
        if publisher.is_due(now):
            publisher.moving([POSE], now)
    assert publisher.is_due(1), "after the clock was set back"
    assert len(node.published["/tf"]) == 50 and len(node.published["/tf_static"]) == 1
    sent = node.published["/tf"][1].transforms[0]
    assert (sent.header.frame_id, sent.child_frame_id) == ("hand", "camera")
    assert stamp_to_ns(sent.header.stamp) == stamps[2]
    t, r = sent.transform.translation, sent.transform.rotation
    assert (t.x, t.y, t.z) == (1.0, 2.0, 3.0) and (r.x, r.y, r.z, r.w) == (0.0, 0.6, 0.0, 0.8)
