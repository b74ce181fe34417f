"""What /diagnostics says of each state of the controller."""

from dataclasses import replace

import pytest
from cells import MS

from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.books.diagnostics import Health, Level, Monitor
from vla_controller.books.output import Snapshot
from vla_controller.books.reports import Counts


def snapshot(state=ControllerState.IDLE, message="", **counts):
    return Snapshot(state, message, "run", 3 * MS, 0.0125, Counts(**counts))


def delayed(delay_ms, bound_ms, state=ControllerState.TRACKING):
    return replace(snapshot(state), delay_ns=delay_ms * MS, delay_bound_ns=bound_ms * MS)


def judge(monitor, snap, now_ms=0, **changes):
    options = {"message": "", "speed_scale": 1.0, "dry_run": False, **changes}
    return monitor.judge(snap, now_ms * MS, **options)


@pytest.mark.parametrize(
    "state, level",
    [
        (ControllerState.WAITING_FOR_STATE, Level.WARN),
        (ControllerState.IDLE, Level.OK),
        (ControllerState.TRACKING, Level.OK),
        (ControllerState.BRAKING, Level.OK),
        (ControllerState.HOMING, Level.OK),
        (ControllerState.STOPPED, Level.WARN),
        (ControllerState.DESYNC, Level.ERROR),
        (ControllerState.STALE_STATE, Level.ERROR),
    ],
)
def test_the_level_of_each_state(state, level):
    health = judge(Monitor(), snapshot(state))
    assert health.level is level and health.message and health.values["state"] == state.name
    assert judge(Monitor(), snapshot(state, "because of that")).message == "because of that"


@pytest.mark.parametrize("state", ControllerState)
def test_no_state_is_without_a_level(state):
    assert judge(Monitor(), snapshot(state)).message


def test_without_a_model_it_says_what_it_waits_for():
    health = judge(Monitor(), None, message="waiting for robot_description")
    assert health.level is Level.WARN and health.message == "waiting for robot_description"


def test_refusals_warn_for_a_second_and_no_longer():
    monitor = Monitor()
    levels = []
    for now_ms in range(0, 3000, 100):
        refused = 5 if now_ms < 1000 else 8
        health = judge(monitor, snapshot(chunks_refused=refused), now_ms)
        levels.append(health.level)
        if now_ms == 1500:
            assert "3 refused" in health.message
    assert levels == [Level.OK] * 10 + [Level.WARN] * 10 + [Level.OK] * 10


def test_lost_chunks_warn_and_an_error_stays_an_error():
    monitor = Monitor()
    judge(monitor, snapshot())
    health = judge(monitor, snapshot(ControllerState.DESYNC, chunks_lost=2), 100)
    assert health.level is Level.ERROR and "2 lost" in health.message


def test_a_clock_set_back_makes_it_forget():
    monitor = Monitor()
    judge(monitor, snapshot(), 5000)
    assert judge(monitor, snapshot(chunks_refused=4), 1000).level is Level.OK
    assert judge(monitor, snapshot(chunks_refused=5), 1100).level is Level.WARN


def test_values_tell_age_error_scale_delay_and_counts():
    monitor = Monitor()
    assert judge(monitor, snapshot()).values["chunk delay [ms]"] == "none yet"
    for phase, verdict, delay in (
        (Phase.SCHEDULED, Verdict.ACCEPTED, 85), (Phase.SCHEDULED, Verdict.STALE, 999), (Phase.CLOSED, Verdict.ACCEPTED, 999),
    ):  # fmt: skip
        monitor.on_report(
            ChunkReport(stamp_ns=delay * MS, phase=phase, run_id="", sequence=0, chunk_stamp_ns=0, verdict=verdict)
        )
    health = judge(monitor, snapshot(chunks_received=7, steps_clamped=2), 100, speed_scale=0.25, dry_run=True)
    expected = {
        "joint state age [ms]": "3.0", "tracking error [rad]": "0.01250", "speed scale": "0.25", "dry run": "True",
        "chunk delay [ms]": "85.0", "chunks received": "7", "steps clamped": "2", "run": "run",
    }  # fmt: skip
    assert expected.items() <= health.values.items()
    assert "dry run" in health.message


@pytest.mark.parametrize(
    "delay_ms, bound_ms, level",
    [(300, 500, Level.OK), (399, 500, Level.OK), (400, 500, Level.WARN), (700, 500, Level.WARN), (700, 0, Level.OK)],
)
def test_a_delay_near_what_the_strategy_allows_warns(delay_ms, bound_ms, level):
    health = judge(Monitor(), delayed(delay_ms, bound_ms))
    assert health.level is level
    if level is Level.WARN:
        expected = (f"{delay_ms} ms", f"{bound_ms} ms", "policy faster", "longer")
        assert all(words in health.message for words in expected), health.message
    else:
        assert health.message == "executing a chunk"


def test_a_delay_that_no_chunk_can_keep_is_said_as_such():
    health = judge(Monitor(), delayed(20, -10))  # the planning margin is longer than the committed steps
    assert health.level is Level.WARN and "allows 0 ms" in health.message


def test_an_arm_at_rest_waits_for_no_chunk_and_does_not_warn_of_delays():
    health = judge(Monitor(), delayed(490, 500, ControllerState.IDLE))
    assert health.level is Level.OK and health.message == "at rest, ready for a chunk"


def test_the_delay_and_what_is_allowed_stand_side_by_side():
    keys = ("delay to arrival, 95th percentile [ms]", "delay allowed by the strategy [ms]")
    assert [judge(Monitor(), delayed(123, 500)).values[key] for key in keys] == ["123.0", "500.0"]
    assert [judge(Monitor(), snapshot()).values[key] for key in keys] == ["none yet", "unknown"]


def test_the_message_is_named_after_the_node():
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from diagnostic_msgs.msg import DiagnosticStatus

    from vla_controller.ros.messages import health_to_msg

    status = health_to_msg(Health(Level.ERROR, "words", {"a": "1"}), "/cell/controller", "panda", 0).status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert (status.name, status.message, status.hardware_id) == ("/cell/controller: motion", "words", "panda")
    assert [(value.key, value.value) for value in status.values] == [("a", "1")]
