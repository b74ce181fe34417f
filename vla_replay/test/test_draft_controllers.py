"""What controllers say of their joints makes arms and grippers of a draft."""

import pytest

from vla_replay.preflight.draft_controllers import Controller, draft_arms
from vla_replay.preflight.draft_states import divide_states

ALREADY = "hand/state: its joints are told on 'joint_states' already"
LEFT, RIGHT = [f"left_j{k}" for k in range(3)], [f"right_j{k}" for k in range(3)]


def jtc(name: str, *joints: str, active: bool = False) -> Controller:
    return Controller(f"{name}/joint_trajectory", "jtc", joints, active)


def test_a_pair_of_arms_gets_its_grippers_by_their_names():
    measured = sorted([*LEFT, *RIGHT, "left_jaw", "right_jaw"])
    controllers = [
        jtc("right_hand_controller", "right_jaw"), jtc("left_hand_controller", "left_jaw"),
        jtc("left_arm_controller", *LEFT, active=True), jtc("right_arm_controller", *RIGHT[::-1], active=True),
    ]  # fmt: skip
    arms, left_out = draft_arms(measured, {"left_j1": 0.05}, controllers, "")
    assert [(arm.name, arm.joints) for arm in arms] == [("left_arm", LEFT), ("right_arm", RIGHT[::-1])]
    assert [(arm.gripper.joint, arm.gripper.topic) for arm in arms] == [
        ("left_jaw", "left_hand_controller/joint_trajectory"), ("right_jaw", "right_hand_controller/joint_trajectory"),
    ]  # fmt: skip
    assert arms[0].home == [0.0, 0.05, 0.0] and left_out == []


def test_the_active_one_of_two_controllers_for_the_same_joints_is_taken():
    arms, left_out = draft_arms(LEFT, {}, [jtc("a_first", *LEFT), jtc("scaled", *LEFT, active=True), jtc("dumb")], "")
    assert [arm.trajectory_topic for arm in arms] == ["scaled/joint_trajectory"] and arms[0].name == "arm"
    assert left_out == [
        "a_first/joint_trajectory: it moves joints that 'scaled/joint_trajectory' moves, too",
        "dumb/joint_trajectory: it does not say which joints it moves; is it active?",
    ]


def test_where_no_controller_says_its_joints_their_names_decide():
    numbers = [Controller("gripper/commands", "binary"), Controller("lights/commands", "binary")]
    arms, left_out = draft_arms([*LEFT, "left_finger", "left_finger_mimic"], {}, [jtc("one"), jtc("two"), *numbers], "")
    assert (arms[0].joints, arms[0].trajectory_topic) == (LEFT, "one/joint_trajectory")
    gripper = arms[0].gripper
    assert (gripper.joint, gripper.topic, gripper.interface) == ("left_finger", "gripper/commands", "binary")
    assert [line.partition(":")[0] for line in left_out] == ["lights/commands", "two/joint_trajectory", "joint left_finger_mimic"]


def test_a_gripper_says_a_joint_that_does_not_sound_like_one():
    arms, left_out = draft_arms([*LEFT, "drive"], {}, [jtc("arm", *LEFT), Controller("g/cmd", "gripper_command", ("drive",))], "")
    assert arms[0].gripper.joint == "drive" and left_out == []
    pair = [Controller("g/cmd", "gripper_command", ("drive",)), Controller("h/cmd", "gripper_command", ("other",))]
    arms, left_out = draft_arms([*LEFT, "drive"], {}, [jtc("arm", *LEFT), *pair], "")
    assert left_out == ["h/cmd: a second gripper, an arm of a card has one"]
    _, left_out = draft_arms(LEFT, {}, [jtc("arm", *LEFT), Controller("g/cmd", "gripper_command")], "")
    assert left_out == ["g/cmd: a gripper's, and no joint is known that tells its opening"]


@pytest.mark.parametrize(("states", "own", "sources", "left_out"), [
    ({"joint_states": ["a", "b"], "hand/state": ["f"]}, "joint_states", {"hand/state": ["f"]}, []),
    ({"arm/state": ["a", "b"], "hand/state": ["f", "g", "h"]}, "arm/state", {"hand/state": ["f", "g", "h"]}, []),
    ({"joint_states": ["a", "f"], "hand/state": ["f"]}, "joint_states", {}, [ALREADY]),
])  # fmt: skip
def test_the_states_of_a_robot_are_divided_by_what_each_alone_tells(states, own, sources, left_out):
    assert divide_states(states, moved=("a", "b")) == (own, sources, left_out)
