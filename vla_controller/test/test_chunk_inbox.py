"""The node under a flood of chunks, with a core that takes long: no backlog, nothing lost, everything else still served."""

import threading
import time
import uuid

import numpy as np
import pytest
import yaml
from cells import HOME, JOINTS, make_card, make_chunk, panda_urdf, straight

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from vla_contract.ros.convert import chunk_to_msg  # noqa: E402
from vla_contract.ros.qos import CHUNKS, SENSOR  # noqa: E402
from vla_contract.ros.stamps import ns_to_stamp  # noqa: E402
from vla_controller.books.output import Output  # noqa: E402
from vla_controller.ros.node import ControllerNode  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.msg import ActionChunk  # noqa: E402

PLANNING = 0.03  # [s] for one call, however many chunks it is given
TRANSPORT = 0.05  # [s]


class SlowCore:
    """Stands before the controller's core: takes its time over chunks, and remembers who was served when."""

    def __init__(self, core):
        self._core = core
        self.batches, self.malformed, self.ticks, self.states = [], [], [], []

    def __getattr__(self, name):
        return getattr(self._core, name)

    def on_chunks(self, chunks, now_ns, received_steady_ns):
        self.batches.append((time.monotonic(), [chunk.sequence for chunk in chunks]))
        time.sleep(PLANNING)
        return Output(status=self._core.snapshot(now_ns).state.name)

    def on_malformed(self, chunk, reason, now_ns, received_steady_ns):
        self.malformed.append((chunk.sequence, reason))
        return Output(status=self._core.snapshot(now_ns).state.name)

    def tick(self, now_ns):
        self.ticks.append(time.monotonic())
        return self._core.tick(now_ns)

    def on_joint_state(self, *args):
        self.states.append(time.monotonic())
        return self._core.on_joint_state(*args)


@pytest.fixture
def graph(tmp_path):
    """A controller node with a slow core, a peer that sends, and their executor, in a domain of their own."""
    card, model = tmp_path / "card.yaml", tmp_path / "arm.urdf"
    card.write_text(yaml.safe_dump(make_card().to_dict()))
    model.write_text(panda_urdf())
    rclpy.init(
        args=["--ros-args", "-p", f"card:={card}", "-p", f"model:={model}"], domain_id=free_domain()
    )
    node, peer = ControllerNode(), rclpy.create_node("peer", use_global_arguments=False)
    node._core = SlowCore(node._core)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    yield node, peer, executor
    executor.shutdown()
    node.destroy_node()
    peer.destroy_node()
    rclpy.shutdown()


def test_500_chunks_a_second_leave_no_backlog(graph):
    node, peer, executor = graph
    core, card, count = node._core, make_card(), 1000
    chunks, states = (
        peer.create_publisher(ActionChunk, "vla/action_chunk", CHUNKS),
        peer.create_publisher(JointState, "joint_states", SENSOR),
    )
    run, sent = uuid.uuid4().hex, {}

    def send():
        begun = time.monotonic()
        for sequence in range(count):
            time.sleep(max(0.0, begun + sequence / 500.0 - time.monotonic()))
            now = peer.get_clock().now().nanoseconds
            message = chunk_to_msg(make_chunk(card, straight(), now, sequence, run_id=run))
            if sequence % 10 == 7:
                message.horizon = 5
            if sequence % 5 == 0:
                state = JointState(name=JOINTS, position=HOME.tolist(), velocity=[0.0] * 7)
                state.header.stamp = ns_to_stamp(now)
                states.publish(state)
            sent[sequence] = time.monotonic()
            chunks.publish(message)

    deadline = time.monotonic() + 30.0
    while chunks.get_subscription_count() == 0 or states.get_subscription_count() == 0:
        assert time.monotonic() < deadline, "the controller did not subscribe"
        executor.spin_once(timeout_sec=0.02)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        while sum(len(batch) for _, batch in core.batches) + len(core.malformed) < count:
            assert time.monotonic() < deadline, "not all chunks arrived"
            executor.spin_once(timeout_sec=0.05)
    finally:
        sender.join()
    taken = [(at, sequence) for at, batch in core.batches for sequence in batch]
    wrong = [sequence for sequence in range(count) if sequence % 10 == 7]
    assert [sequence for _, sequence in taken] == [s for s in range(count) if s % 10 != 7], "in order, each once"
    assert [sequence for sequence, _ in core.malformed] == wrong
    assert all("horizon 5" in reason for _, reason in core.malformed)
    # How long it all takes is the machine's; that nobody waits for more than the call under way is the node's.
    begins = np.array([at for at, _ in core.batches])
    passed_over = [np.sum((begins > sent[sequence] + TRANSPORT) & (begins < at)) for at, sequence in taken]
    assert np.mean(np.array(passed_over) > 0) < 0.02, "chunks are taken with the first batch after their arrival"
    for what, times in (("tick", core.ticks), ("joint states", core.states)):
        between = np.histogram(times, begins)[0]
        assert np.mean(between > 0) > 0.9, f"{what}: served between batches"


def spin(executor, until, seconds=20.0):
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.02)
    return until()


def test_a_controller_looks_half_as_often_at_an_arm_that_rests_and_at_once_with_a_chunk(graph):
    node, peer, executor = graph
    core, card = node._core, make_card()
    chunks = peer.create_publisher(ActionChunk, "vla/action_chunk", CHUNKS)
    states = peer.create_publisher(JointState, "joint_states", SENSOR)
    assert spin(executor, lambda: chunks.get_subscription_count() and states.get_subscription_count())
    assert spin(executor, lambda: node._timer.timer_period_ns == 20_000_000), "nothing has happened for a second"
    heard = len(core.states)
    for _ in range(3):  # they wait
        state = JointState(name=JOINTS, position=HOME.tolist(), velocity=[0.0] * 7)
        state.header.stamp = ns_to_stamp(peer.get_clock().now().nanoseconds)
        states.publish(state)
    assert spin(executor, lambda: len(core.states) > heard)
    message = chunk_to_msg(make_chunk(card, straight(), peer.get_clock().now().nanoseconds, 0, run_id=uuid.uuid4().hex))
    message.horizon = 5  # malformed: what is reported is activity, too
    chunks.publish(message)
    node._core = core._core
    assert spin(executor, lambda: node._timer.timer_period_ns == 10_000_000)
