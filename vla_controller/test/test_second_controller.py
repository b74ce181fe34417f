"""A second controller, or anybody else on the arm's trajectory topic: as processes in a ROS graph."""

import signal
import subprocess
import time

import pytest
import yaml
from cells import make_card, make_chunk, panda_urdf, straight

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from test_controller_node import NODE, Bench  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from vla_contract.report import Phase, Verdict  # noqa: E402
from vla_contract.ros.convert import chunk_to_msg  # noqa: E402
from vla_contract.ros.qos import RELIABLE  # noqa: E402
from vla_contract.status import ControllerState  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402

ARM = "panda_arm_controller/joint_trajectory"
ANOTHER = f"another /controller is a controller of this namespace (/vla/controller_status) and commands the arm (/{ARM})"


class Stranger:
    """A node of another process, so to say: a context of its own, with a publisher on a topic."""

    def __init__(self, name: str, topic: str = ARM) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node(name, context=self._context)
        self._node.create_publisher(JointTrajectory, topic, RELIABLE)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


def ready(bench: Bench) -> bool:
    """The controller is, which may have to compile its kernels first."""
    return bench.until(lambda: bench.statuses and bench.statuses[-1].state == ControllerState.IDLE, 60.0)


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Parameters of a controller whose model is at hand."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(free_domain()))
    card, model = tmp_path / "card.yaml", tmp_path / "arm.urdf"
    card.write_text(yaml.safe_dump(make_card().to_dict()))
    model.write_text(panda_urdf())
    return ["-p", f"card:={card}", "-p", f"model:={model}"]


@pytest.fixture
def bench(words):
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def running(words, bench):
    process = subprocess.Popen(NODE + words, stderr=subprocess.PIPE, text=True)
    try:
        assert ready(bench)
        yield bench
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.communicate()


def refused(words: list[str], bench: Bench) -> str:
    """The one line with which a controller gives up, while the arm of the first goes on to be heard."""
    process = subprocess.Popen(NODE + words, stderr=subprocess.PIPE, text=True)
    try:
        assert bench.until(lambda: process.poll() is not None, 120.0), "it goes on"
    finally:
        process.kill()
        errors = process.communicate()[1]
    assert process.returncode == 1 and "Traceback" not in errors, errors
    (line,) = [line for line in errors.splitlines() if line.startswith("controller: error:")]
    return line


@pytest.mark.timeout(400)  # four processes, one after the other
def test_a_second_one_gives_up_by_name_and_the_first_does_not_notice(running, words):
    del running.statuses[:]
    line = refused(words, running)
    assert line == (
        f"controller: error: {ANOTHER} and commands the gripper (/panda_hand_controller/joint_trajectory) already: end it first, "
        "or start this controller in another namespace or ROS_DOMAIN_ID, where its arm is another one"
    )
    assert "is a controller of this namespace" in refused([*words, "-p", "dry_run:=true"], running)
    elsewhere = refused([*words, "-r", "__ns:=/other", "-r", f"{ARM}:=/{ARM}"], running)
    assert f"/controller commands the arm (/{ARM}) already" in elsewhere, "another namespace, and the same arm"
    assert running.until(lambda: len(running.statuses) > 5)
    assert ControllerState.CONTENDED not in {status.state for status in running.statuses}
    status = running.statuses[-1]
    assert status.node == "/controller" and status.process and status.host and any(status.instance.uuid)


def test_whoever_comes_later_is_named_nothing_is_commanded_and_it_is_over_when_they_have_gone(running):
    client = running.call  # vla/stop and vla/home answer meanwhile
    with Stranger("teach_pendant"):
        appeared = time.monotonic()
        assert running.in_state(ControllerState.CONTENDED) and time.monotonic() - appeared < 2.0
        assert running.until(lambda: running.statuses[-1].message.startswith(f"/teach_pendant commands the arm (/{ARM})"))
        assert running.until(lambda: running.health and "/teach_pendant" in running.health[-1].message)
        running.chunks.publish(chunk_to_msg(make_chunk(make_card(), straight(), running.now, 0)))
        assert running.until(lambda: running.reports)
        assert running.reports[-1].verdict is Verdict.CONTENDED and "/teach_pendant" in running.reports[-1].message
        home = client("home")
        assert not home.success and "/teach_pendant" in home.message
        stop = client("stop")
        assert not stop.success and stop.message.startswith("stopped;") and "/teach_pendant" in stop.message
        assert "/teach_pendant" in client("resume").message
        assert running.in_state(ControllerState.CONTENDED) and not running.trajectories
    assert running.in_state(ControllerState.IDLE)
    assert running.until(lambda: not running.statuses[-1].message)
    running.chunks.publish(chunk_to_msg(make_chunk(make_card(), straight(), running.now, 1)))
    assert running.until(lambda: running.reports[-1].sequence == 1)
    assert (running.reports[-1].phase, running.reports[-1].verdict) == (Phase.SCHEDULED, Verdict.ACCEPTED)


def test_one_who_commands_the_gripper_is_a_rival_too(running):
    with Stranger("hand_gui", "panda_hand_controller/joint_trajectory"):
        assert running.until(lambda: "/hand_gui commands the gripper" in running.statuses[-1].message)


def test_a_dry_run_commands_nothing_and_others_may(words, bench):
    with Stranger("teach_pendant"):
        process = subprocess.Popen([*NODE, *words, "-p", "dry_run:=true"], stderr=subprocess.PIPE, text=True)
        try:
            assert ready(bench)
            assert bench.node.count_publishers(f"/{ARM}") == 1, "it does not publish there itself"
            bench.chunks.publish(chunk_to_msg(make_chunk(make_card(), straight(), bench.now, 0)))
            assert bench.until(lambda: bench.reports) and bench.reports[-1].verdict is Verdict.ACCEPTED
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=15) == 0
        finally:
            process.kill()
            process.communicate()


def test_an_arm_without_a_trajectory_controller_is_told_and_not_commanded(running):
    """A chunk was accepted, and its steps reported as executed, where nobody took the trajectory."""
    (listening,) = [each for each in running.node.subscriptions if each.topic_name == f"/{ARM}"]
    running.node.destroy_subscription(listening)
    words = f"nobody takes trajectories on {ARM}: start or activate the trajectory controller"
    assert running.until(lambda: running.statuses[-1].message == words)
    answer = running.call("home")
    assert not answer.success and answer.message == words
    chunk = make_chunk(make_card(), straight(), running.now)
    running.chunks.publish(chunk_to_msg(chunk))
    assert running.until(lambda: any(r.phase is Phase.CLOSED for r in running.reports))
    assert running.reports[-1].verdict is Verdict.NO_STATE and running.reports[-1].message == words
