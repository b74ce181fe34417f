"""Two policies in one namespace: the second gives up; where it could not know of the first, both send nothing and say so."""

import pytest

rclpy = pytest.importorskip("rclpy")

from test_policy_node import FakeCell, start, stop  # noqa: E402

from vla_contract.ros.qos import RELIABLE  # noqa: E402
from vla_contract.status import Outcome, PolicyState, RunError  # noqa: E402
from vla_graph.domains import free_domain  # noqa: E402
from vla_msgs.msg import PolicyStatus  # noqa: E402


@pytest.fixture(scope="module")
def running(card, tiny_checkpoint):
    """A policy that is ready, and its cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(free_domain()))
        rclpy.init()
        process = start("cell", checkpoint=tiny_checkpoint, autostart="true")
        cell = FakeCell(card, "cell")
        try:
            assert cell.spin(lambda: cell.client.server_is_ready(), 150), stop(process)[1]
            assert cell.spin(lambda: cell.statuses and cell.statuses[-1].state == PolicyState.IDLE, 10)
            yield cell
            code, output = stop(process)
            assert code == 0 and "Traceback" not in output, output
        finally:
            process.kill()
            cell.node.destroy_node()
            rclpy.shutdown()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("autostart", ["true", "false"])
def test_a_second_one_gives_up_by_name_and_the_first_does_not_notice(running, tiny_checkpoint, autostart):
    del running.statuses[:]
    second = start("cell", checkpoint=tiny_checkpoint, autostart=autostart)
    assert running.spin(lambda: second.poll() is not None, 120), "it has not ended"
    output = second.communicate()[0]
    assert second.returncode == 1 and "Traceback" not in output
    assert (
        "policy: error: another /cell/policy is a policy of this namespace (/cell/vla/policy_status) already: end it first, or "
        "start this policy in another namespace or ROS_DOMAIN_ID"
    ) in output
    assert {status.state for status in running.statuses} == {PolicyState.IDLE}


@pytest.mark.timeout(400)
def test_one_that_comes_later_ends_the_run_in_words_and_it_is_over_when_it_has_gone(running):
    context = rclpy.Context()
    rclpy.init(context=context)
    other = rclpy.create_node("policy_of_jan", context=context, namespace="cell")
    handle = running.start_run()
    assert handle.accepted and running.spin(lambda: running.chunks, 20)
    try:
        other.create_publisher(PolicyStatus, "vla/policy_status", RELIABLE)
        result = running.result(handle, 10)
        assert result.error_code == RunError.CONTENDED and result.outcome == Outcome.UNKNOWN
        assert result.message == "/cell/policy_of_jan is a policy of this namespace (/cell/vla/policy_status)"
        assert running.chunks[-1].horizon == 0, "the arm was told to brake"
        assert running.spin(lambda: running.statuses[-1].state == PolicyState.CONTENDED, 5)
        assert "/cell/policy_of_jan" in running.statuses[-1].message
        sent = len(running.chunks)
        assert not running.start_run().accepted
        running.spin(lambda: False, 0.5)
        assert len(running.chunks) == sent
    finally:
        other.destroy_node()
        rclpy.shutdown(context=context)
    assert running.spin(lambda: running.statuses[-1].state == PolicyState.IDLE, 5)
    handle = running.start_run(seconds=1)
    assert handle.accepted
    assert running.result(handle).error_code == RunError.NONE
