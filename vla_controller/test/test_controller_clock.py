"""The node while the clock of the computer is set: it ticks on, hears its arm, says so, and brakes where it has to."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cells import make_card, panda_urdf

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from rclpy.clock import Clock, ClockType  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rosgraph_msgs.msg import Clock as ClockMsg  # noqa: E402

from vla_contract.ros.qos import SENSOR  # noqa: E402
from vla_contract.ros.stamps import ns_to_stamp  # noqa: E402
from vla_controller.ros import node as node_module  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402


def files(folder):
    """Card and robot description."""
    card, model = folder / "card.yaml", folder / "arm.urdf"
    card.write_text(yaml.safe_dump(make_card().to_dict()))
    model.write_text(panda_urdf())
    return card, model


def test_a_clock_set_back_while_homing_keeps_nothing_waiting(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no cc, or no Linux, to set a process clock: vla_contract/test/test_ros_timers.py tests the timers alone")
    from clock_rig import SHIM

    card, model = files(tmp_path)
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(shim), str(source)], check=True)
    rig = Path(__file__).with_name("clock_rig.py")
    done = subprocess.run(
        [sys.executable, str(rig), str(free_domain()), str(card), str(model)],
        capture_output=True, text=True, timeout=90, env=os.environ | {"LD_PRELOAD": str(shim)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["ten_after"] is not None and seen["ten_after"] < 2.5, "status comes every 0.1 s, not when 3 s have gone by"
    assert statistics.median(seen["ages"]) < 0.1, "joint states are heard"
    assert any("set back" in message for message in seen["messages"])
    assert seen["ready_after"] is not None
    assert seen["stale_after"] is not None and seen["stale_after"] < 1.0, "joint states were gone for 0.25 s"


def test_under_simulated_time_the_core_sees_time_pass_while_it_plans(tmp_path, monkeypatch):
    card, model = files(tmp_path)
    arguments = ["-p", f"card:={card}", "-p", f"model:={model}", "-p", "use_sim_time:=true"]
    rclpy.init(args=["--ros-args", *arguments], domain_id=free_domain())
    given, make = {}, node_module.ChunkController
    monkeypatch.setattr(node_module, "ChunkController", lambda *a, **options: given.update(options) or make(*a, **options))
    node, simulator = node_module.ControllerNode(), rclpy.create_node("simulator", use_global_arguments=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(simulator)
    clock, begin = simulator.create_publisher(ClockMsg, "/clock", SENSOR), time.monotonic_ns()

    def publish():
        clock.publish(ClockMsg(clock=ns_to_stamp(2 * (time.monotonic_ns() - begin) // 10**7 * 10**7)))  # at rate 2

    simulator.create_timer(0.005, publish, clock=Clock(clock_type=ClockType.STEADY_TIME))
    try:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.01)
        assert given["simulated"] and node.get_clock().now().nanoseconds > 3 * 10**9
        called = node._now
        time.sleep(0.05)
        assert node.get_clock().now().nanoseconds == called, "/clock waits for the executor"
        assert 80e6 < given["clock"]() - called < 200e6
    finally:
        executor.shutdown()
        node.destroy_node()
        simulator.destroy_node()
        rclpy.shutdown()
