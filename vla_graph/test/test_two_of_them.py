"""`vla stop`, `resume`, `home`, `run` and `reset` where more than one controller, policy or simulator answers."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from shipped_paths import CARD

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.action import ActionServer  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from vla_contract.ros.qos import RELIABLE  # noqa: E402
from vla_contract.status import ControllerState  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.action import RunTask  # noqa: E402
from vla_msgs.msg import ControllerStatus, PolicyStatus, TaskState  # noqa: E402
from vla_msgs.srv import Reset  # noqa: E402
from vla_sim.urdf import robot_urdf  # noqa: E402

VLA = [sys.executable, "-m", "vla_bringup.cli"]
NAMESPACE = ["--namespace", "cell"]
UNSEEING = "import vla_contract.ros.rival_watch as r; r.RivalWatch.before_start = lambda self: None; "
"""A node that has not seen the others when it started."""


def vla(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([*VLA, *words, *NAMESPACE], capture_output=True, text=True, timeout=60)


def start(module: str, *words: str, before: str = "") -> subprocess.Popen:
    code = f"{before}from {module} import main; main()"
    quiet = ("-r", "__ns:=/cell", "--log-level", "error")
    command = [sys.executable, "-c", code, "--ros-args", *quiet, "-p", f"card:={CARD}", *words]
    return subprocess.Popen(command)


@pytest.fixture(scope="module")
def ears():
    """A node of the cell's namespace, spun in a thread, in a domain of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node("ears", namespace="cell", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        yield node
        executor.shutdown(timeout_sec=5.0)
        thread.join(5.0)
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.fixture(scope="module")
def pair(ears, tmp_path_factory):
    """Two controllers of one arm, a mock, and the process that started second."""
    model = tmp_path_factory.mktemp("model") / "panda.urdf"
    model.write_text(robot_urdf())
    statuses, arrived = {}, threading.Condition()

    def on_status(message) -> None:
        with arrived:
            statuses[message.process] = message
            arrived.notify_all()

    subscription = ears.create_subscription(ControllerStatus, "vla/controller_status", on_status, RELIABLE)
    words = ("-p", f"model:={model}")
    started = [start("vla_sim.ros.mock_node", "-p", "images:=false")]
    started += [start("vla_controller.ros.node", *words, before=UNSEEING) for _ in range(2)]
    contended = {process.pid: ControllerState.CONTENDED for process in started[1:]}

    def wait(wanted: dict[int, ControllerState]) -> None:
        with arrived:
            same = lambda: {pid: m.state for pid, m in statuses.items() if pid in wanted} == wanted  # noqa: E731
            assert arrived.wait_for(same, 60.0), statuses

    try:
        wait(contended)
        yield started[1], started[2], wait
        for process in started[1:]:
            process.send_signal(signal.SIGINT)
        assert [process.wait(timeout=20) for process in started[1:]] == [0, 0]
    finally:
        ears.destroy_subscription(subscription)
        for process in started:
            process.kill()
            process.wait()


def test_a_stop_reaches_both_and_says_so_and_what_sets_in_motion_is_refused(pair):
    first, second, wait = pair
    stopped = vla("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert stopped.stdout.startswith("stop: NOT ALL: stopped; "), "one answers at once, and knows of the other"
    assert "stop: 2 controllers answer here, and one may: " in stopped.stdout
    named = {int(pid) for pid in re.findall(r"/cell/controller \(process (\d+) on ", stopped.stdout)}
    assert named == {first.pid, second.pid}
    assert "stop: all of them say that they are stopped" in stopped.stdout
    wait({first.pid: ControllerState.STOPPED, second.pid: ControllerState.STOPPED})
    home = vla("home")
    assert home.returncode == 1 and home.stdout.startswith("home: refused: 2 controllers answer here")
    resumed = vla("resume")
    assert resumed.returncode == 1 and "resume: 2 controllers answer here" in resumed.stdout
    wait({first.pid: ControllerState.CONTENDED, second.pid: ControllerState.CONTENDED})


def test_one_that_hangs_is_not_taken_for_stopped(pair):
    first, second, wait = pair
    os.kill(second.pid, signal.SIGSTOP)
    try:
        stopped = vla("stop")
    finally:
        os.kill(second.pid, signal.SIGCONT)
    # it cannot even tell a newcomer that it is there; the other one has known it before
    assert stopped.returncode == 1 and "; but another /cell/controller is a controller of this namespace" in stopped.stdout
    wait({first.pid: ControllerState.STOPPED, second.pid: ControllerState.CONTENDED})
    assert vla("resume").returncode == 1
    wait({first.pid: ControllerState.CONTENDED, second.pid: ControllerState.CONTENDED})


def test_whom_a_stop_does_not_reach_is_named(pair, ears):
    first, second, wait = pair
    context = rclpy.Context()
    rclpy.init(context=context)
    stranger = rclpy.create_node("teach_pendant", context=context)
    try:
        stranger.create_publisher(JointTrajectory, "/cell/panda_arm_controller/joint_trajectory", RELIABLE)
        stopped = vla("stop")
    finally:
        stranger.destroy_node()
        rclpy.shutdown(context=context)
    assert stopped.returncode == 1
    assert "NOT STOPPED: /teach_pendant commands the arm as well (/cell/panda_arm_controller/joint_trajectory)" in stopped.stdout
    assert "all of them say that they are stopped" in stopped.stdout
    vla("resume")
    wait({first.pid: ControllerState.CONTENDED, second.pid: ControllerState.CONTENDED})


def test_a_run_and_a_reset_are_refused_where_two_would_do_it(ears):
    asked = []
    parts = [ears.create_publisher(PolicyStatus, "vla/policy_status", RELIABLE) for _ in range(2)]
    parts += [ears.create_publisher(TaskState, "vla/task_state", RELIABLE) for _ in range(2)]
    ears.create_service(Reset, "vla_sim/reset", lambda request, answer: asked.append(request) or answer)
    server = ActionServer(ears, RunTask, "vla/run_task", lambda goal: asked.append(goal) or RunTask.Result())
    try:
        run = vla("run", "pick up the red block")
        assert run.returncode == 1
        assert "refused: 2 policies answer here, and one may: /cell/ears, /cell/ears; end the others" in run.stdout
        reset = vla("reset", "pick")
        assert reset.returncode == 1 and reset.stdout == ""
        assert reset.stderr.startswith("vla reset: refused: 2 simulators answer here, and one may: /cell/ears")
    finally:
        server.destroy()
        for part in parts:
            ears.destroy_publisher(part)
    assert asked == []
