"""Lockstep and graph share their core: the same chunks, states and arrival times give bit-identical trajectories."""

import time

import numpy as np
import pytest
from shipped_paths import CARD

from vla_graph.domains import free_domain
from vla_sim.urdf import robot_urdf
from vla_trials.lockstep.expert_policy import Disturbance, ExpertPolicy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

pytestmark = pytest.mark.timeout(180)


class Log:
    """What a lockstep trial gave its controller, when, and what came out."""

    def __init__(self, controller):
        self._controller = controller
        self.events = []
        self.trajectories = []

    def __getattr__(self, name):
        return getattr(self._controller, name)

    def on_joint_state(self, stamp_ns, names, positions, velocities, now_ns):
        self.events.append((now_ns, "state", (stamp_ns, names, positions.copy(), velocities.copy())))
        return self._controller.on_joint_state(stamp_ns, names, positions, velocities, now_ns)

    def on_chunk(self, chunk, now_ns):
        self.events.append((now_ns, "chunk", chunk))
        return self._keep(self._controller.on_chunk(chunk, now_ns))

    def tick(self, now_ns):
        self.events.append((now_ns, "tick", None))
        return self._keep(self._controller.tick(now_ns))

    def _keep(self, output):
        self.trajectories += output.trajectories
        return output


@pytest.fixture(scope="module")
def trial(card):
    cell = SimulatedCell(card)
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    cell.world.render = lambda camera: np.roll(noise, cell.world.now_ns // 1_000_000 % 224, axis=0)
    logs = []

    def controller():
        logs.append(Log(cell.new_controller()))
        return logs[-1]

    policy = ExpertPolicy(
        cell.world, cell.model, lambda: runner.controller, lambda: Disturbance(np.random.default_rng(5), 0.1)
    )
    runner = LockstepRunner(card, cell.world, controller, policy)
    result = runner.run("pick", 77)
    assert result.success
    return logs[0]


def test_the_node_publishes_what_lockstep_commanded(card, trial):
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from rosgraph_msgs.msg import Clock
    from sensor_msgs.msg import JointState
    from std_msgs.msg import String
    from trajectory_msgs.msg import JointTrajectory

    from vla_contract.ros.convert import chunk_to_msg, trajectory_from_msg
    from vla_contract.ros.qos import LATCHED, RELIABLE
    from vla_contract.ros.stamps import ns_to_stamp
    from vla_controller.ros.node import ControllerNode
    from vla_msgs.msg import ActionChunk, ChunkReport

    rclpy.init(args=["--ros-args", "-p", f"card:={CARD}", "-p", "use_sim_time:=true"], domain_id=free_domain())
    node = ControllerNode()
    peer = rclpy.create_node("peer", parameter_overrides=[Parameter("use_sim_time", value=False)])
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(peer)
    arm = card.arms[0]
    heard, reports = [], []
    for topic in (arm.trajectory_topic, arm.gripper.topic):
        peer.create_subscription(JointTrajectory, topic, lambda m, t=topic: heard.append((t, m)), RELIABLE)
    peer.create_subscription(ChunkReport, "vla/chunk_report", reports.append, RELIABLE)
    clock = peer.create_publisher(Clock, "/clock", 10)
    states = peer.create_publisher(JointState, card.state.topic, RELIABLE)
    chunks = peer.create_publisher(ActionChunk, "vla/action_chunk", RELIABLE)
    description = peer.create_publisher(String, "robot_description", LATCHED)
    description.publish(String(data=robot_urdf()))

    def until(condition, what):
        deadline = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            executor.spin_once(timeout_sec=0.02)

    until(lambda: node._core is not None, "the robot description")
    until(lambda: states.get_subscription_count() and chunks.get_subscription_count(), "the controller's subscriptions")
    until(lambda: clock.get_subscription_count(), "the controller to follow the clock")
    seen_states = []
    take = node._core.on_joint_state
    node._core.on_joint_state = lambda *args: (seen_states.append(args[0]), take(*args))
    first_ns = trial.events[0][0]
    try:
        for now_ns, kind, payload in trial.events:
            if now_ns - first_ns > 3_000_000_000:
                break
            clock.publish(Clock(clock=ns_to_stamp(now_ns)))
            until(lambda: node.get_clock().now().nanoseconds == now_ns, "the clock")
            if kind == "state":
                stamp_ns, names, q, v = payload
                message = JointState(name=list(names), position=q.tolist(), velocity=v.tolist())
                message.header.stamp = ns_to_stamp(stamp_ns)
                states.publish(message)
                # a tick would take it, but the clock stands until it has been taken
                until(lambda: node._look_at_arms() or (seen_states and seen_states[-1] == stamp_ns), "the joint state")
            elif kind == "chunk":
                chunks.publish(chunk_to_msg(payload))
                until(
                    lambda: any(r.sequence == payload.sequence and r.phase == ChunkReport.SCHEDULED for r in reports),
                    "the report",
                )
        until(lambda: sum(t == arm.trajectory_topic for t, _ in heard) >= 4, "trajectories")
        for _ in range(10):
            executor.spin_once(timeout_sec=0.02)
    finally:
        executor.shutdown()
        node.destroy_node()
        peer.destroy_node()
        rclpy.shutdown()
    published = [trajectory_from_msg(m) for t, m in heard if t == arm.trajectory_topic]
    commanded = [t for t in trial.trajectories if t.topic == arm.trajectory_topic][: len(published)]
    assert len(published) >= 4
    for ours, theirs in zip(commanded, published, strict=True):
        assert ours.stamp_ns == theirs["stamp_ns"]
        np.testing.assert_array_equal(ours.times_ns, theirs["times_ns"])
        for field in ("positions", "velocities", "accelerations"):
            np.testing.assert_array_equal(getattr(ours, field), theirs[field], err_msg=field)
