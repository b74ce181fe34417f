"""A node says what it waits for: topic, joints, and whether anybody is there."""

from vla_contract.awaited import Awaited, Listening

CELL = {"robot_description": (), "joint_states": ("elbow", "wrist")}


def words(awaited: Awaited, now: float, publishers: dict | None = None, listeners: dict | None = None) -> list[str]:
    return awaited.words(now, lambda t: (publishers or {}).get(t, 0), lambda t: (listeners or {}).get(t, 0), lambda t: f"/{t}")


def test_what_has_never_come_is_told_with_who_publishes():
    awaited = Awaited(CELL, {"arm/joint_trajectory": "trajectories"})
    assert words(awaited, 10.0, {"joint_states": 2}) == [
        "waiting for any message on /robot_description: nobody publishes there",
        "waiting for elbow, wrist on /joint_states: 2 publish there",
        "nobody takes trajectories on /arm/joint_trajectory",
    ]


def test_joints_that_are_missing_or_fall_silent_are_told_by_name():
    awaited = Awaited(CELL)
    awaited.done("robot_description")
    awaited.heard("joint_states", 10.0, ("wrist", "of_another_arm"))
    assert words(awaited, 11.0, {"joint_states": 1}) == ["waiting for elbow on /joint_states: 1 publishes there"]
    awaited.heard("joint_states", 12.0, ("elbow", "wrist"))
    assert words(awaited, 14.9) == []
    awaited.heard("joint_states", 15.0, ("elbow",))
    assert words(awaited, 17.0) == ["waiting for wrist on /joint_states for 5 s: nobody publishes there"]


def test_a_topic_without_parts_takes_any_message_and_outputs_want_a_listener():
    awaited = Awaited({"camera": ()}, {"arm": "trajectories"})
    awaited.heard("camera", 1.0)
    assert words(awaited, 2.0, listeners={"arm": 1}) == []
    assert words(awaited, 9.0, {"camera": 1}, {"arm": 1}) == ["waiting for any message on /camera for 8 s: 1 publishes there"]
    many = Awaited({"joint_states": tuple(f"j{k}" for k in range(12))})
    assert words(many, 1.0) == ["waiting for j0, j1, j2, j3, j4, j5, j6, j7 and 4 more on /joint_states: nobody publishes there"]


def test_what_comes_hides_nothing_behind_it():
    awaited = Awaited({"camera": (), "joint_states": ("elbow",)})
    awaited.heard("camera", 1.0)
    assert words(awaited, 2.0) == ["waiting for elbow on /joint_states: nobody publishes there"]


def test_silence_is_told_only_where_somebody_has_listened():
    """A node that has loaded for long asks at once when it is there, before any message has been read."""
    listening, inputs = Listening(5.0), Awaited(CELL)
    assert not listening.is_due(100.0, None) and not listening.is_due(101.0, inputs)
    assert not listening.is_due(109.0, inputs), "the model was warmed up meanwhile"
    due = [k for k in range(110, 125) if listening.is_due(float(k), inputs)]
    assert due == [114, 119, 124]
    assert not listening.is_due(125.0, None)
    assert not any(listening.is_due(125.0 + k, Awaited(CELL)) for k in range(1, 9)), "new ones each time"
    late = Listening(5.0)
    assert not late.is_due(1000.0, inputs) and not late.is_due(1004.0, inputs) and not late.is_due(1006.0, inputs)
