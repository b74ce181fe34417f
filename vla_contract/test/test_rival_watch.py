"""The look at the graph: before a node begins, and while it runs."""

import time

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from std_msgs.msg import Float32, String  # noqa: E402

from vla_contract.rivals import Claim, RivalError  # noqa: E402
from vla_contract.ros.rival_watch import GONE_S, LOOK_S, RivalWatch  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402

CLAIMS = [Claim("arm/go", "commands the arm"), Claim("status", "is a controller here")]
ADVICE = "end it"


@pytest.fixture
def make():
    """Makes nodes, each as if in a process of its own."""
    nodes, domain = [], free_domain()

    def new(name: str, **options):
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        nodes.append((context, rclpy.create_node(name, context=context, **options)))
        return nodes[-1][1]

    yield new
    for context, node in nodes:
        node.destroy_node()
        rclpy.shutdown(context=context)


def until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_is_there_already_is_named_and_where_nobody_is_it_takes_a_second(make):
    node = make("controller", namespace="cell")
    began = time.monotonic()
    watch = RivalWatch(node, CLAIMS, ADVICE)
    time.sleep(0.4)  # whatever has to be loaded
    watch.before_start()
    assert LOOK_S <= time.monotonic() - began < LOOK_S + 0.4
    other = make("teach", namespace="lab")
    other.create_publisher(String, "/cell/status", 10)
    late = RivalWatch(make("second", namespace="cell"), CLAIMS, ADVICE)
    with pytest.raises(RivalError, match=r"^/lab/teach is a controller here \(/cell/status\) already: end it$"):
        late.before_start()


def test_its_own_publishers_are_none_and_whoever_comes_is_told_until_a_second_after_they_have_gone(make):
    node = make("controller", cli_args=["--ros-args", "-r", "arm/go:=real_arm/go"])
    watch = RivalWatch(node, CLAIMS, ADVICE)
    for topic in ("arm/go", "status"):
        node.create_publisher(Float32, topic, 10)
    assert watch.look() == ""
    other = make("controller")
    publisher = other.create_publisher(Float32, "/real_arm/go", 10)
    until(lambda: watch.look() == "another /controller commands the arm (/real_arm/go)")
    assert other.destroy_publisher(publisher)
    until(lambda: node.count_publishers("/real_arm/go") == 1)
    went = time.monotonic()
    assert watch.look(), "it may be back in a moment"
    until(lambda: watch.look() == "")
    assert time.monotonic() - went > GONE_S - 0.1
