"""Timers of the nodes while the clock is set."""

import time

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402

from vla_contract.ros.timers import create_timer  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402


@pytest.fixture
def spun():
    """Makes a node, and a way to spin it for some seconds."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=free_domain())
    executor = SingleThreadedExecutor(context=context)
    nodes = []

    def make(simulated: bool):
        node = rclpy.create_node(
            "timers", context=context, parameter_overrides=[Parameter("use_sim_time", value=simulated)]
        )
        executor.add_node(node)
        nodes.append(node)

        def spin(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                executor.spin_once(timeout_sec=0.02)

        return node, spin

    yield make
    executor.shutdown()
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def show(node, ns: int) -> None:
    """The node's clock shows this time and stands still there."""
    node.get_clock()._set_ros_time_is_active(True)
    node.get_clock().set_ros_time_override(Time(nanoseconds=ns))


def test_without_simulated_time_a_clock_that_was_set_back_stops_no_timer(spun):
    node, spin = spun(simulated=False)
    calls = []
    timer = create_timer(node, 0.01, lambda: calls.append(node.get_clock().now().nanoseconds))
    show(node, 10**18)
    spin(0.1)
    show(node, 10**18 - 3 * 10**9)
    calls.clear()
    spin(0.5)
    assert 10 <= len(calls) <= 51 and set(calls) == {10**18 - 3 * 10**9}
    node.destroy_timer(timer)
    calls.clear()
    spin(0.05)
    assert not calls


def test_under_simulated_time_timers_keep_to_the_clock_of_the_simulator(spun):
    node, spin = spun(simulated=True)
    calls = []
    create_timer(node, 0.01, lambda: calls.append(node.get_clock().now().nanoseconds))
    show(node, 10**9)
    spin(0.1)
    calls.clear()
    spin(0.2)
    assert not calls, "the simulator stands still"
    for ms in range(10, 60, 10):
        show(node, 10**9 + ms * 1_000_000)
        spin(0.1)
    assert len(calls) == 5
