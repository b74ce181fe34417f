"""What is told where more than one controller answers, and whether all of them have stopped."""

from vla_contract.status import ControllerState
from vla_graph.controllers import Said, name_all, not_stopped, several

STOPPED, TRACKING = ControllerState.STOPPED, ControllerState.TRACKING
OLD = Said("/cell/controller", "lab1", 4711, STOPPED)
NEW = Said("/cell/controller", "lab2", 52, TRACKING, "")


def test_one_is_nothing_to_tell_and_two_are_told_by_name():
    assert several("policies", []) == several("policies", ["/policy"]) == ""
    assert several("policies", ["/a", "/b"]) == "2 policies answer here, and one may: /a, /b; end the others"


def test_two_of_the_same_name_are_told_apart_by_their_processes():
    names = name_all(["/cell/controller"] * 3, [NEW, OLD])
    assert names == [
        "/cell/controller (process 4711 on lab1)", "/cell/controller (process 52 on lab2)", "/cell/controller",
    ]  # fmt: skip
    assert name_all(["/x"], []) == ["/x"]


def test_who_goes_on_or_says_nothing_is_not_stopped():
    both = ["/cell/controller"] * 2
    assert not_stopped(both, [OLD, Said("/cell/controller", "lab2", 52, STOPPED)]) == []
    assert not_stopped(both, [OLD, NEW]) == ["/cell/controller (process 52 on lab2) is TRACKING"]
    assert not_stopped(both, [OLD]) == ["/cell/controller says nothing"]
    waiting = Said("/cell/controller", "lab2", 52, ControllerState.WAITING_FOR_STATE, "waiting for robot_description")
    assert not_stopped(both, [OLD, waiting]) == [
        "/cell/controller (process 52 on lab2) is WAITING_FOR_STATE (waiting for robot_description)"
    ]
    assert not_stopped([], []) == []
