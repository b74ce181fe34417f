"""The node as a process of its own in a ROS graph: what it publishes, how it ends."""

import signal
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest
import yaml
from cells import HOME, JOINTS, make_card, make_chunk, panda_urdf, straight

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rcl_interfaces.srv import SetParametersAtomically  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from vla_contract.report import Phase, Verdict  # noqa: E402
from vla_contract.ros.convert import chunk_to_msg, report_from_msg  # noqa: E402
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402
from vla_contract.ros.stamps import ns_to_stamp, stamp_to_ns  # noqa: E402
from vla_contract.status import ControllerState  # noqa: E402
from vla_controller.ros.parameters import declare_parameters  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.msg import ActionChunk, ChunkReport, ControllerStatus  # noqa: E402

NODE = [sys.executable, "-m", "vla_controller.ros.node", "--ros-args"]


@pytest.fixture(scope="module")
def domain():
    """Of its own, so that graphs on the same computer do not meet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        yield


@pytest.fixture(scope="module")
def card_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "card.yaml"
    path.write_text(yaml.safe_dump(make_card().to_dict()))
    return path


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["card", "YAML"]),
        (["-p", "card:=missing.yaml"], ["missing.yaml", "no such file"]),
        (["-p", "card:=CARD", "-p", "planning_margin:=3.0"], ["planning_margin", "0.5"]),
        (["-p", "card:=CARD", "-p", "brake_margin:=0.2"], ["brake_margin", "0.1"]),
        (["-p", "card:=CARD", "-p", "strategy:=hope"], ["strategy", "hope", "temporal_ensemble"]),
        (["-p", "card:=CARD", "-p", "speed_scale:=2.0"], ["speed_scale", "0.05"]),
        (["-p", "card:=CARD", "-p", "speed_scale:=fast"], ["speed_scale", "fast", "0.05 to 1"]),
        (["-p", "card:=CARD", "-p", "dry_run:=perhaps"], ["dry_run", "BOOL"]),
        (["-p", "card:=CARD", "-p", "model:=missing.urdf"], ["missing.urdf"]),
        (["-p", "card"], ["card"]),
    ],
)
def test_a_mistake_is_one_line_and_code_1(domain, card_file, arguments, words):
    arguments = [a.replace("CARD", str(card_file)) for a in arguments]
    done = subprocess.run(NODE + arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("controller: error:")]
    assert len(errors) == 1 and all(word in errors[0] for word in words), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("settings", "margin_ms"), [
    ({}, 6), ({"use_sim_time": True}, 16), ({"use_sim_time": True, "brake_margin": 0.004}, 4),
])
def test_the_brake_margin_reaches_over_a_step_of_the_simulators_clock(domain, settings, margin_ms):
    context = rclpy.Context()
    rclpy.init(context=context)
    overrides = [Parameter(name, value=value) for name, value in {"card": "card.yaml", **settings}.items()]
    node = rclpy.create_node("margins", context=context, parameter_overrides=overrides)
    try:
        assert declare_parameters(node).brake_margin_ns == margin_ms * 1_000_000
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


class Bench:
    """The rest of the graph: a standing arm, a policy, and ears."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("bench", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.states = self.node.create_publisher(JointState, "joint_states", SENSOR)
        self.chunks = self.node.create_publisher(ActionChunk, "vla/action_chunk", RELIABLE)
        self.description = self.node.create_publisher(String, "robot_description", LATCHED)
        self.reports, self.trajectories, self.statuses, self.markers, self.health = [], [], [], [], []
        subscribe = self.node.create_subscription
        subscribe(ChunkReport, "vla/chunk_report", lambda m: self.reports.append(report_from_msg(m)), RELIABLE)
        subscribe(JointTrajectory, "panda_arm_controller/joint_trajectory", self.trajectories.append, RELIABLE)
        subscribe(ControllerStatus, "vla/controller_status", self.statuses.append, RELIABLE)
        subscribe(DiagnosticArray, "/diagnostics", lambda m: self.health.append(m.status[0]), RELIABLE)
        self.node.create_timer(0.01, self._state)

    @property
    def now(self):
        return self.node.get_clock().now().nanoseconds

    def _state(self):
        message = JointState(name=JOINTS, position=HOME.tolist(), velocity=[0.0] * 7)
        message.header.stamp = ns_to_stamp(self.now)
        self.states.publish(message)

    def until(self, condition, seconds=15.0):
        """Spins until the condition holds; whether it did."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            self.executor.spin_once(timeout_sec=0.02)
        return False

    def in_state(self, state):
        return self.until(lambda: self.statuses and self.statuses[-1].state == state)

    def call(self, name):
        client = self.node.create_client(Trigger, f"vla/{name}")
        assert client.wait_for_service(10.0)
        future = client.call_async(Trigger.Request())
        assert self.until(future.done)
        return future.result()

    def set(self, *parameters):
        """The controller's answer to new parameter values."""
        client = self.node.create_client(SetParametersAtomically, "/controller/set_parameters_atomically")
        assert client.wait_for_service(10.0)
        values = [Parameter(name, value=value).to_parameter_msg() for name, value in parameters]
        future = client.call_async(SetParametersAtomically.Request(parameters=values))
        assert self.until(future.done)
        return future.result().result

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def running(domain, card_file):
    """A controller whose arm stands ready, and the rest of its graph."""
    bench = Bench()
    process = subprocess.Popen(NODE + ["-p", f"card:={card_file}", "-p", "speed_scale:=0.5"])
    try:
        bench.description.publish(String(data=panda_urdf()))
        assert bench.in_state(ControllerState.IDLE)
        yield bench
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    finally:
        bench.close()
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_speed_scale_changes_at_run_time_and_nothing_else_does(running):
    assert running.statuses[-1].speed_scale == 0.5
    assert running.set(("speed_scale", 0.25)).successful
    assert running.until(lambda: running.statuses[-1].speed_scale == 0.25)
    assert running.set(("speed_scale", 1)).successful, "a whole number will do"
    assert running.until(lambda: running.statuses[-1].speed_scale == 1.0)
    for wrong in (0.0, 1.5, float("nan"), "fast", True):
        answer = running.set(("speed_scale", wrong))
        assert not answer.successful and "speed_scale" in answer.reason and "0.05" in answer.reason, answer
    for fixed in (("strategy", "temporal_ensemble"), ("dry_run", True), ("brake_margin", 0.02)):
        answer = running.set(fixed, ("speed_scale", 0.1))
        assert not answer.successful and "read-only" in answer.reason, answer
    assert not running.until(lambda: running.statuses[-1].speed_scale != 1.0, seconds=0.5)


def test_who_looks_sees_path_box_and_clamps(running):
    markers = []
    running.node.create_subscription(MarkerArray, "vla/markers", markers.append, RELIABLE)
    assert running.until(lambda: markers)
    assert [m.ns for m in markers[-1].markers] == ["workspace"], "the arm stands"
    actions = straight((0.0, 0.0, -0.6))
    running.chunks.publish(chunk_to_msg(make_chunk(make_card(), actions, running.now, 0)))
    assert running.until(lambda: "clamped" in {m.ns for m in markers[-1].markers})
    shapes = {m.ns: m for m in markers[-1].markers}
    assert {"workspace", "path", "clamped", "why"} == set(shapes)
    assert len(shapes["path"].points) > 2 and shapes["path"].header.frame_id == "panda_link0"
    assert all(p.z > 0.0 for p in shapes["path"].points), "inside the box"
    assert "workspace z" in {m.text.split(": ")[1].split(",")[0] for m in markers[-1].markers if m.ns == "why"}
    assert running.until(lambda: running.health[-1].values and _value(running, "chunk delay [ms]") != "none yet")


def _value(bench, key):
    return next(value.value for value in bench.health[-1].values if value.key == key)


def test_the_graph_from_description_to_ctrl_c(domain, card_file):
    process = subprocess.Popen(
        NODE + ["-p", f"card:={card_file}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    bench, card, run = Bench(), make_card(), uuid.uuid4().hex
    try:
        assert bench.in_state(ControllerState.WAITING_FOR_STATE)
        assert "robot_description" in bench.statuses[-1].message
        bench.description.publish(String(data=panda_urdf()))
        assert bench.in_state(ControllerState.IDLE)
        assert bench.until(lambda: not bench.statuses[-1].message)  # 50 ms of states have shown it at rest
        assert bench.statuses[-1].card_hash == card.card_hash
        assert bench.until(lambda: bench.health and bench.health[-1].level == DiagnosticStatus.OK)
        assert bench.health[-1].name == "/controller: motion" and bench.health[-1].hardware_id == card.name

        sent = bench.now
        bench.chunks.publish(chunk_to_msg(make_chunk(card, straight(), sent, 0, run_id=run)))
        assert bench.until(lambda: bench.trajectories and bench.reports)
        trajectory, report = bench.trajectories[0], bench.reports[0]
        assert (report.phase, report.verdict) == (Phase.SCHEDULED, Verdict.ACCEPTED)
        assert 0 < report.received_steady_ns < report.published_steady_ns
        np.testing.assert_allclose(trajectory.points[0].positions, HOME)
        assert 0 <= stamp_to_ns(trajectory.header.stamp) - sent < 2_000_000_000
        assert not any(trajectory.points[-1].velocities) and not any(trajectory.points[-1].accelerations)

        actions = straight()
        actions[0, 0] = np.nan
        bench.chunks.publish(chunk_to_msg(make_chunk(card, actions, bench.now, 1, run_id=run)))
        broken = chunk_to_msg(make_chunk(card, straight(), bench.now, 2, run_id=run))
        broken.horizon = 5
        bench.chunks.publish(broken)
        refused = {1: Verdict.NOT_FINITE, 2: Verdict.SHAPE}
        assert bench.until(
            lambda: refused.items() <= {r.sequence: r.verdict for r in bench.reports if r.phase is Phase.CLOSED}.items()
        )

        assert bench.until(lambda: bench.health[-1].level == DiagnosticStatus.WARN)
        assert "2 refused" in bench.health[-1].message

        assert bench.call("stop").success
        assert bench.in_state(ControllerState.STOPPED)
        answer = bench.call("home")
        assert not answer.success and "resume" in answer.message
        assert bench.call("resume").success
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=15)[0]
        assert process.returncode == 0 and "Traceback" not in output, output
    finally:
        bench.close()
        if process.poll() is None:
            process.kill()
            process.communicate()
