"""Parameters of the node that reach its session."""


import pytest

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("vla_msgs", reason="needs the built messages")

from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from shipped_paths import CARD  # noqa: E402

from vla_graph.domains import free_domain  # noqa: E402
from vla_policy_node.ros.node import PolicyNode  # noqa: E402


@pytest.mark.parametrize(("steps", "replan", "failure"), [
    (0, 16, ""), (12, 4, ""), (13, 4, "committed_steps is 13, allowed are 0 to 12: the horizon, 16"),
])  # fmt: skip
def test_committed_steps_have_to_fit_beside_the_replan_steps(tiny_checkpoint, steps, replan, failure):
    values = {"card": CARD, "checkpoint": tiny_checkpoint, "committed_steps": steps, "replan_steps": replan}
    words = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *words], domain_id=free_domain())
    node = PolicyNode()
    try:
        configured = node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert configured is (not failure) and node.failure.startswith(failure)
        assert failure or node._session._config.committed_steps == steps
    finally:
        node.destroy_node()
        rclpy.shutdown()
