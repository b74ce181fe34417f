"""Playing into a graph: what a node assembles from it is what was served live, on a clock that never goes back."""

import threading

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from replay_samples import record_live
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from vla_bags.reader import Bag
from vla_contract.ros.qos import SENSOR
from vla_contract.ros.stamps import stamp_to_ns
from vla_graph.domains import free_domain
from vla_motion.model import RobotModel
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy_node.ros.subscriptions import subscribe
from vla_replay.offline.errors import ReplayError
from vla_replay.ros.replay_graph import GraphPlayer, header_stamp_ns
from vla_sim.urdf import robot_urdf

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def bag_and_run(card, tmp_path_factory):
    arm = card.arms[0]
    model = RobotModel.from_urdf(robot_urdf(), list(arm.joints), arm.tool_frame, arm.base_frame)
    path = tmp_path_factory.mktemp("play") / "bag"
    return path, record_live(path, card, model, 0.8)


@pytest.fixture
def domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))


class Listener:
    """The policy node's own subscriptions in a node on sim time."""

    def __init__(self, card):
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("listener", context=self.context, parameter_overrides=[Parameter("use_sim_time", value=True)])
        self.assembler = ObservationAssembler(card, kept_images=200)
        self.inputs = subscribe(self.node, card, self.assembler)
        self.clocks, self.ages = [], []
        self.node.create_subscription(Clock, "/clock", lambda m: self.clocks.append(stamp_to_ns(m.clock)), 100)
        self.node.create_subscription(JointState, card.state.topic, self.on_state, SENSOR)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.spin)
        self.thread.start()

    def on_state(self, message):
        self.ages.append((self.node.get_clock().now().nanoseconds - stamp_to_ns(message.header.stamp)) / 1e6)

    def spin(self):
        while not self.done.is_set():
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        self.done.set()
        self.thread.join()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def test_what_is_assembled_from_the_played_bag_is_what_was_served_live(card, bag_and_run, domain):
    path, live = bag_and_run
    listener = Listener(card)
    try:
        with Bag(path) as bag, GraphPlayer(bag, card, rate=0.7) as player:
            played = player.play()
            counts = {name: bag.topics[f"/{name}"].count for name in played.played}
        listener.done.wait(0.3)
    finally:
        listener.close()
    assert played.played == counts and set(counts) == {"front/image_raw", "wrist/image_raw", "joint_states"}
    assert len(listener.clocks) > 50
    assert all(b > a for a, b in zip(listener.clocks, listener.clocks[1:])), "the clock stood still or went back"
    equal = 0
    for seen in live.observations:
        stamps = dict(seen.image_stamps_ns)
        if listener.assembler.absent(stamps, seen.state_stamp_ns):
            continue  # lost on the way, as best effort may
        again = listener.assembler.assemble_at(stamps, seen.state_stamp_ns, seen.instruction)
        assert {k: v.tobytes() for k, v in again.images.items()} == {k: v.tobytes() for k, v in seen.images.items()}
        equal += 1
    assert equal >= 1
    ages = sorted(listener.ages)
    assert abs(ages[len(ages) // 2]) < 60, "the clock and the stamps are of one time"


def test_nobody_listens(card, bag_and_run, domain):
    with Bag(bag_and_run[0]) as bag, GraphPlayer(bag, card, wait_s=0.2) as player:
        with pytest.raises(ReplayError, match="nobody listens to joint_states, front/image_raw, wrist/image_raw, /clock"):
            player.play()


def test_a_rate_out_of_range_is_told(card, bag_and_run):
    with Bag(bag_and_run[0]) as bag, pytest.raises(ReplayError, match="rate is 0, allowed is 0.01 to 100"):
        GraphPlayer(bag, card, rate=0)


def test_the_stamp_of_a_serialized_header(bag_and_run, card):
    with Bag(bag_and_run[0]) as bag:
        for entry, message in bag.messages(topics=["/front/image_raw"]):
            assert header_stamp_ns(entry.data) == stamp_to_ns(message.header.stamp)
