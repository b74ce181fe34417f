"""What keeps the arm from moving is told in the terminal once, and when it is over."""

import pytest

from vla_contract.status import ControllerState
from vla_controller.ros.told_states import ToldStates

IDLE, TRACKING, STOPPED = ControllerState.IDLE, ControllerState.TRACKING, ControllerState.STOPPED
STALE, DESYNC, SILENT = ControllerState.STALE_STATE, ControllerState.DESYNC, ControllerState.SILENT_CONTROLLER


class Lines(list):
    """A logger that keeps what it is told."""

    def warning(self, words):
        self.append(f"WARN {words}")

    def info(self, words):
        self.append(f"INFO {words}")


def lines_of(*states):
    lines = Lines()
    told = ToldStates(lines)
    for state in states:
        told.look(state, "of panda_joint3")
    return lines


@pytest.mark.parametrize(
    ("state", "over"),
    [
        (STALE, "joint states come again"), (SILENT, "the trajectory controller speaks again"),
        (DESYNC, "measured and commanded motion agree again"),
    ],
)  # fmt: skip
def test_one_line_when_it_begins_and_one_when_it_is_over(state, over):
    lines = lines_of(TRACKING, state, state, state, IDLE, TRACKING)
    assert lines == [f"WARN {state.name}: of panda_joint3", f"INFO {over}: IDLE"]


def test_each_that_follows_another_is_told():
    assert lines_of(STALE, DESYNC, STALE)[:3] == [f"WARN {s}: of panda_joint3" for s in ("STALE_STATE", "DESYNC", "STALE_STATE")]


def test_a_latched_stop_does_not_say_that_it_is_over():
    assert lines_of(STALE, STOPPED, STALE, STOPPED) == ["WARN STALE_STATE: of panda_joint3"]
    assert lines_of(STALE, STOPPED, IDLE)[1:] == ["INFO joint states come again: IDLE"]


def test_what_moves_or_rests_says_nothing():
    waiting, braking, homing = ControllerState.WAITING_FOR_STATE, ControllerState.BRAKING, ControllerState.HOMING
    assert lines_of(waiting, IDLE, TRACKING, braking, homing, IDLE) == []
