"""The node in a process of its own, fed over ROS: life cycle, a run, bad input, exit codes."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from lifecycle_msgs.srv import GetState  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from shipped_paths import CARD  # noqa: E402

from vla_contract.report import ChunkReport, Phase, Verdict  # noqa: E402
from vla_contract.ros.convert import array_to_image, chunk_from_msg, report_to_msg  # noqa: E402
from vla_contract.ros.qos import LATCHED, RELIABLE, SENSOR  # noqa: E402
from vla_contract.status import Outcome, OutcomeSource, PolicyState, RunError  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.action import RunTask  # noqa: E402
from vla_msgs.msg import ActionChunk, PolicyInfo, PolicyStatus, TaskState  # noqa: E402
from vla_msgs.msg import ChunkReport as ReportMsg  # noqa: E402

INSTRUCTION = "pick up the red block"


class FakeCell:
    """Cameras, joint states and a controller that accepts everything, on the wall clock."""

    def __init__(self, card, namespace):
        self.card = card
        self.node = rclpy.create_node("cell", namespace=namespace)
        self.streaming = {"front", "wrist", "joint_states"}
        self.success, self.joints_move = False, False
        self.shown = {}
        """Camera -> what it shows instead of a new image each time."""
        self.chunks, self.infos, self.statuses = [], [], []
        self._images = {c.name: self.node.create_publisher(_image_type(), c.topic, SENSOR) for c in card.cameras}
        self._states = self.node.create_publisher(JointState, card.state.topic, SENSOR)
        self._reports = self.node.create_publisher(ReportMsg, "vla/chunk_report", RELIABLE)
        self._truth = self.node.create_publisher(TaskState, "vla/task_state", RELIABLE)
        self.node.create_subscription(ActionChunk, "vla/action_chunk", self._on_chunk, RELIABLE)
        self.node.create_subscription(PolicyInfo, "vla/policy_info", self.infos.append, LATCHED)
        self.node.create_subscription(PolicyStatus, "vla/policy_status", self.statuses.append, RELIABLE)
        self.node.create_timer(0.033, self._publish)
        self.client = ActionClient(self.node, RunTask, "vla/run_task")
        self._count = 0

    def _now_ns(self):
        return self.node.get_clock().now().nanoseconds

    def _publish(self):
        now, self._count = self._now_ns(), self._count + 1
        if "joint_states" in self.streaming:
            joints = [*reversed(self.card.arms[0].joints), self.card.arms[0].gripper.joint]
            position = 0.1 + 0.3 * np.sin(self._count / 10.0) * self.joints_move
            message = JointState(name=joints, position=[position] * len(joints))
            message.header.stamp = self.node.get_clock().now().to_msg()
            self._states.publish(message)
        pixels = np.random.default_rng(self._count).integers(0, 256, (224, 224, 3), dtype=np.uint8)
        for name, publisher in self._images.items():
            if name in self.streaming:
                publisher.publish(array_to_image(self.shown.get(name, pixels), now, name))
        truth = TaskState(instruction=INSTRUCTION, success=self.success, episode=1)
        truth.header.stamp = self.node.get_clock().now().to_msg()
        self._truth.publish(truth)

    def _on_chunk(self, message):
        chunk = chunk_from_msg(message)
        self.chunks.append(chunk)
        for phase in Phase:
            verdict = Verdict.ACCEPTED if chunk.horizon else Verdict.BRAKE
            self._reports.publish(report_to_msg(ChunkReport(
                stamp_ns=self._now_ns(), phase=phase, run_id=chunk.run_id, sequence=chunk.sequence,
                chunk_stamp_ns=chunk.stamp_ns, verdict=verdict, message="",
            )))  # fmt: skip

    def spin(self, until, seconds):
        """True as soon as ``until()`` holds, False after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rclpy.spin_once(self.node, timeout_sec=0.01)
            if until():
                return True
        return False

    def start_run(self, instruction=INSTRUCTION, seconds=30):
        goal = RunTask.Goal(instruction=instruction)
        goal.time_limit.sec = seconds
        sent = self.client.send_goal_async(goal)
        assert self.spin(sent.done, 60)
        return sent.result()

    def result(self, handle, seconds=30):
        got = handle.get_result_async()
        assert self.spin(got.done, seconds)
        return got.result().result

    def call(self, kind, name, request=None):
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(60)
        self.spin(lambda: False, 0.3)  # until the service knows this client: an answer before that is lost (rmw_fastrtps)
        answer = client.call_async(request or kind.Request())
        assert self.spin(answer.done, 60)
        return answer.result()


def _image_type():
    from sensor_msgs.msg import Image

    return Image


def start(namespace, *, card=CARD, checkpoint, **parameters):
    words = ["-r", f"__ns:=/{namespace}"]
    for name, value in {"card": card, "checkpoint": checkpoint, **parameters}.items():
        words += ["-p", f"{name}:={value}"]
    return subprocess.Popen(
        [sys.executable, "-c", "import sys; from vla_policy_node.ros.entry import main; sys.exit(main())", "--ros-args", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def stop(process):
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    return process.returncode, output


@pytest.fixture(scope="module")
def ros():
    """A domain of its own: a node of the same name that another test left behind would answer in this one's place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        rclpy.init()
        yield
        rclpy.shutdown()


@pytest.fixture(scope="module")
def running(ros, card, tiny_checkpoint):
    process = start("running", checkpoint=tiny_checkpoint, autostart="true", grace="0.5")
    cell = FakeCell(card, "running")
    assert cell.spin(lambda: cell.client.server_is_ready(), 60), stop(process)[1]
    yield cell
    code, output = stop(process)
    assert code == 0, output
    assert "Traceback" not in output, output
    cell.node.destroy_node()


def test_configured_and_warmed_up(running, card):
    assert running.spin(lambda: running.infos and running.infos[-1].warm_inference.nanosec > 0, 60)
    info = running.infos[-1]
    assert (info.policy, info.head, info.policy_hash) == ("native", "regression", card.policy_hash)
    assert list(info.action_names) == card.action.names and len(info.checkpoint_hash) == 64
    assert running.spin(lambda: running.statuses and running.statuses[-1].state == PolicyState.IDLE, 60)


def test_no_chunk_without_a_goal(running):
    del running.chunks[:]
    running.spin(lambda: False, 1.0)
    assert running.chunks == []


def test_a_run_until_the_simulator_reports_success(running, card):
    del running.chunks[:]
    running.success = False
    handle = running.start_run()
    assert handle.accepted
    assert running.spin(lambda: len(running.chunks) >= 3, 60)
    second = running.start_run()
    assert not second.accepted
    running.success = True
    result = running.result(handle)
    running.success = False
    assert (result.error_code, result.outcome, result.outcome_source) == (
        RunError.NONE,
        Outcome.SUCCESS,
        OutcomeSource.SIM,
    )
    assert result.chunks_published == len(running.chunks)
    on_their_way = len(running.chunks) - 1 - result.chunks_accepted
    assert on_their_way in (0, 1) and not result.chunks_refused, "the last may be reported after the end"
    first, last = running.chunks[0], running.chunks[-1]
    assert last.horizon == 0 and first.actions.shape == (16, 7)
    assert first.card_hash == card.card_hash and first.frame_id == "panda_link0"
    assert first.reference_positions == pytest.approx([0.1] * 7)
    assert 0 < first.image_receipt_steady_ns <= first.inference_start_steady_ns < first.inference_end_steady_ns
    assert first.stamp_ns == first.image_stamps_ns[0] <= first.inference_start_ns
    assert np.diff([c.stamp_ns for c in running.chunks[:-1]]).min() >= 0.39e9


def test_cancel(running):
    handle = running.start_run()
    assert running.spin(lambda: running.statuses[-1].state == PolicyState.RUNNING, 60)
    cancelled = handle.cancel_goal_async()
    assert running.spin(cancelled.done, 60)
    result = running.result(handle)
    assert (result.error_code, result.outcome) == (RunError.CANCELED, Outcome.UNKNOWN)
    assert running.chunks[-1].horizon == 0


def test_a_camera_that_goes_silent_stops_the_arm_by_name(running):
    del running.chunks[:], running.statuses[:]
    handle = running.start_run()
    assert running.spin(lambda: running.chunks, 60)
    running.streaming.discard("wrist")
    result = running.result(handle)
    running.streaming.add("wrist")
    assert result.error_code == RunError.STALE_INPUT and "wrist" in result.message
    stale = [s for s in running.statuses if s.state == PolicyState.STALE_INPUT]
    assert stale and stale[0].input == "wrist"
    assert running.chunks[-1].horizon == 0 and [c.horizon for c in running.chunks].count(0) >= 2


@pytest.mark.parametrize(
    ("camera", "shows", "error", "state"),
    [
        ("front", np.zeros((224, 224, 3), np.uint8), RunError.BLACK_INPUT, PolicyState.BLACK_INPUT),
        (
            "wrist",
            np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8),
            RunError.FROZEN_INPUT,
            PolicyState.FROZEN_INPUT,
        ),
    ],
)
def test_a_black_or_frozen_camera_stops_the_arm_by_name(running, camera, shows, error, state):
    del running.chunks[:], running.statuses[:]
    running.joints_move = True
    handle = running.start_run()
    assert running.spin(lambda: running.chunks, 60)
    running.shown[camera] = shows
    result = running.result(handle)
    running.shown.clear()
    running.joints_move = False
    assert result.error_code == error and camera in result.message
    named = [s for s in running.statuses if s.state == state]
    assert named and named[0].input == camera
    assert running.chunks[-1].horizon == 0 and [c.horizon for c in running.chunks].count(0) >= 2


def test_an_empty_instruction_is_refused_with_words(running):
    result = running.result(running.start_run("  "))
    assert result.error_code == RunError.REJECTED and "instruction is empty" in result.message


def test_life_cycle_from_outside_and_a_goal_cut_short(ros, card, tiny_checkpoint):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    process = start("cycle", checkpoint=tiny_checkpoint)
    cell = FakeCell(card, "cycle")
    try:
        assert cell.call(GetState, "policy/get_state").current_state.label == "unconfigured"

        def change(transition):
            request = ChangeState.Request(transition=Transition(id=transition))
            return cell.call(ChangeState, "policy/change_state", request).success

        assert change(Transition.TRANSITION_CONFIGURE) and change(Transition.TRANSITION_ACTIVATE)
        assert cell.spin(lambda: cell.client.server_is_ready(), 60)
        handle = cell.start_run()
        assert handle.accepted and cell.spin(lambda: cell.chunks, 60)
        got = handle.get_result_async()
        cell.spin(lambda: False, 0.5)
        process.send_signal(signal.SIGTERM)
        assert cell.spin(got.done, 60) and got.result().result.error_code == RunError.SHUTDOWN
        assert cell.spin(lambda: cell.chunks[-1].horizon == 0, 60)  # the arm was told to brake on the way out
    finally:
        code, output = stop(process)
    assert code == 0 and "Traceback" not in output, output
    cell.node.destroy_node()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"card": "/nowhere/card.yaml"}, "no such file"),
        ({"checkpoint": "/nowhere/x.safetensors"}, "no such file"),
        ({"replan_steps": 17}, "replan_steps is 17, allowed are 1 to the horizon, 16"),
        ({"threads": 0}, "threads"),
    ],
)
def test_a_users_mistake_is_one_line_and_an_exit_code(tiny_checkpoint, change, words):
    process = start("mistake", **({"checkpoint": tiny_checkpoint, "autostart": "true"} | change))
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert words in output and "Traceback" not in output


def test_a_checkpoint_of_another_contract_is_refused_by_field(card, tiny_checkpoint, tmp_path):
    import yaml

    content = card.to_dict()
    content["action"]["step_period"] = 0.05
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(content))
    process = start("other", card=other, checkpoint=tiny_checkpoint, autostart="true")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "action.step_period: 0.1, the card has 0.05" in output and "Traceback" not in output


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("down", "not configured: policy 'trouble:down' cannot be opened: ConnectionRefusedError: [Errno 111] Connection"),
        ("none", "not configured: policy 'trouble:none': lab_trouble:open_policy gave None, which has no infer and no reset"),
        ("cold", "not activated: policy 'trouble' failed in warm_up: TimeoutError"),
    ],
)
def test_a_policy_of_another_package_that_fails_ends_the_node_with_its_reason(trouble, monkeypatch, kind, words):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(trouble), *filter(None, [os.environ.get("PYTHONPATH")])]))
    process = start("trouble", checkpoint=f"trouble:{kind}", autostart="true")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    told = [line for line in output.splitlines() if words in line]
    assert told and "[ERROR]" in told[0] and "Traceback" not in output, output


def test_the_traceback_of_a_policy_of_another_package_is_there_when_asked_for(trouble, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(trouble), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setenv("VLA_TRACEBACK", "1")
    process = start("trouble", checkpoint="trouble:down", autostart="true")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1 and "not configured: policy 'trouble:down'" in output
    assert "Traceback" in output and "in open_policy" in output, output


def test_the_log_says_what_is_awaited_where_no_driver_was_started(ros, card, tiny_checkpoint):
    process = start("waiting", checkpoint=tiny_checkpoint, autostart="true")
    told = []
    for line in process.stdout:
        told += [line] if "waiting for" in line else []
        if len(told) == 2:
            break
    assert stop(process)[0] == 0 and len(told) == 2
    for camera in card.cameras:
        assert f"waiting for any message on /waiting/{camera.image_topic}: nobody publishes there" in told[0]
    assert card.arms[0].joints[0] in told[0] and f"on /waiting/{card.state.topic}: nobody publishes there" in told[0]
