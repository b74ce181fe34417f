"""The node in a graph: the robot description that it latches."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.time import Time  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_motion.model import RobotModel  # noqa: E402
from vla_msgs.msg import TaskState  # noqa: E402
from vla_msgs.srv import Reset  # noqa: E402
from vla_sim.ros import tf  # noqa: E402
from vla_sim.ros.node import SimNode  # noqa: E402

CARD = Path(__file__).resolve().parents[2] / "vla_bringup" / "cards" / "panda_tabletop.yaml"


class Recorder:
    """In the place of a publisher of frames, where tf2_msgs is not installed."""

    def __init__(self, node):
        self.fixed_at, self.moving_at, self.last = [], [], {}

    is_due = tf.TransformPublisher.is_due
    _moving = object()
    _last_ns = None

    def fixed(self, poses, now_ns):
        self.fixed_at.append(now_ns)
        self.last |= {pose.child: pose for pose in poses}

    def moving(self, poses, now_ns):
        self._last_ns = now_ns
        self.moving_at.append(now_ns)
        self.last |= {pose.child: pose for pose in poses}


def test_a_newcomer_gets_the_robot_as_urdf_and_frames_follow_the_states(card, monkeypatch):
    monkeypatch.setattr("vla_sim.ros.node.TransformPublisher", Recorder)
    rclpy.init(args=["--ros-args", "-p", f"card:={CARD}"], domain_id=free_domain())
    node, peer = SimNode(threading.Event()), rclpy.create_node("newcomer", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(peer)
    descriptions, states, truths = [], [], []
    peer.create_subscription(String, "robot_description", descriptions.append, LATCHED)
    peer.create_subscription(JointState, card.state.topic, states.append, SENSOR)
    peer.create_subscription(TaskState, "vla/task_state", truths.append, RELIABLE)
    reset = peer.create_client(Reset, "vla_sim/reset")

    def until(condition):
        deadline = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline
            executor.spin_once(timeout_sec=0.05)

    frames = node._transforms
    try:
        until(lambda: descriptions and len(states) > 20 and reset.service_is_ready())
        answer = reset.call_async(Reset.Request(task="stack", seed=5))
        until(answer.done)
        assert answer.result().success
        assert len(frames.fixed_at) == 2, "cameras have moved"
        until(lambda: len(frames.moving_at) > 20)
        moved = list(frames.moving_at)
        clock, now = node.get_clock(), node.get_clock().now()
        clock._set_ros_time_is_active(True)
        clock.set_ros_time_override(Time(nanoseconds=now.nanoseconds - 3 * 10**9))
        truths.clear()
        until(lambda: len(truths) > 5)
    finally:
        node.close()
        executor.shutdown()
        node.destroy_node()
        peer.destroy_node()
        rclpy.shutdown()
    told = truths[-1]
    places = {o.name: o.pose.position for o in told.objects}
    target, destination = places[told.target_object], places[told.destination_object]
    assert told.destination_object.split("_")[0] in told.instruction and told.destination_object != told.target_object
    assert told.goal_distance == pytest.approx(np.hypot(target.x - destination.x, target.y - destination.y), abs=1e-9)
    arm = card.arms[0]
    model = RobotModel.from_urdf(descriptions[0].data, list(arm.joints), arm.tool_frame, arm.base_frame)
    assert model.forward(np.array(arm.home))[2, 3] > 0.1
    assert min(np.diff(moved)) >= tf.PERIOD_NS
    assert {"panda_link7", "panda_rightfinger", "panda_tool", "wrist_optical_frame"} <= set(frames.last)


@pytest.mark.parametrize("rate", ["2.0", "0.5"])
def test_without_a_clock_of_its_own_it_has_no_rate_of_its_own(rate):
    arguments = ["-p", f"card:={CARD}", "-p", f"rate:={rate}"]
    done = subprocess.run(
        [sys.executable, "-c", "from vla_sim.ros.entry import main; main()", "--ros-args", *arguments],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    errors = [line for line in done.stderr.splitlines() if line.startswith("sim: error:")]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert all(word in errors[0] for word in (f"'rate' is {float(rate):g}", "allowed is 1", "use_sim_time"))
    assert "Traceback" not in done.stderr
