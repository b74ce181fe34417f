"""The cards that we ship load, and the default one is the cell that the checkpoint was trained for."""

from pathlib import Path

import pytest
import yaml

from vla_contract.card import load_card

SHARE = Path(__file__).parents[1]
CARDS = sorted((SHARE / "cards").glob("*.yaml"))
CONFIGURATIONS = sorted((SHARE / "config").glob("*_controllers.yaml"))
JTC = ("joint_trajectory_controller/JointTrajectoryController", "ur_controllers/ScaledJointTrajectoryController")
# Parameters of the joint trajectory controller as its own description names them, on all branches; the last three belong to
# the newest, to Humble and to Universal Robots' scaled one.
JTC_KEYS = {
    "joints", "command_joints", "command_interfaces", "state_interfaces", "allow_partial_joints_goal",
    "interpolate_from_desired_state", "allow_integration_in_goal_trajectories", "action_monitor_rate",
    "interpolation_method", "allow_nonzero_velocity_at_trajectory_end", "cmd_timeout", "gains", "constraints",
    "set_last_command_interface_value_as_state_on_activation", "speed_scaling", "allow_trajectory_replacement",
    "state_publish_rate", "speed_scaling_interface_name",
}  # fmt: skip


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_shipped_card_loads_under_its_own_name(path):
    assert load_card(path).name == path.stem


def test_the_default_cell():
    card = load_card(Path(__file__).parents[1] / "cards" / "panda_tabletop.yaml")
    assert card.camera_names == ["front", "wrist"]
    assert card.state.fields == [*(f"panda_joint{i}.position" for i in range(1, 8)), "panda_finger_joint1.position"]
    assert card.action.space == "EE_DELTA" and card.gripper_columns == [6]
    assert [task.name for task in card.tasks] == ["pick", "place_in_bowl", "cup_on_coaster", "stack"]
    sentences = card.task("pick").instructions()
    assert all(sum(colour in sentence for sentence in sentences) >= 10 for colour in card.task("pick").slots["color"])
    everything = [sentence for task in card.tasks for sentence in task.instructions()]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_controller_configurations_agree_with_their_card(path):
    card = load_card(SHARE / "cards" / f"{path.stem.removesuffix('_controllers')}.yaml")
    sections = {name.removeprefix("/**/"): node["ros__parameters"] for name, node in yaml.safe_load(path.read_text()).items()}
    manager = sections["controller_manager"]
    types = {name: value["type"] for name, value in manager.items() if isinstance(value, dict)}
    assert set(types) <= set(sections), "a controller without parameters"
    assert types["joint_state_broadcaster"] == "joint_state_broadcaster/JointStateBroadcaster"
    assert card.state.topic == "joint_states" and sections["joint_state_broadcaster"]["use_local_topics"] is False
    arm = card.arms[0]
    name, _, suffix = arm.trajectory_topic.rpartition("/")
    assert suffix == "joint_trajectory" and types[name] in JTC
    assert sections[name]["joints"] == arm.joints
    assert 100 <= manager["update_rate"] <= 1000
    gripper, _, suffix = arm.gripper.topic.rpartition("/")
    if arm.gripper.interface == "jtc":
        assert suffix == "joint_trajectory" and types[gripper] in JTC
    elif arm.gripper.interface == "binary":
        assert suffix == "commands" and types[gripper] == "forward_command_controller/ForwardCommandController"
    else:
        assert gripper not in types, "an action: a node of its own serves it"
    if gripper in types:
        assert sections[gripper]["joints"] == [arm.gripper.joint]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_trajectory_controllers_are_set_up_for_stitching_under_the_cards_rule(path):
    arm = load_card(SHARE / "cards" / f"{path.stem.removesuffix('_controllers')}.yaml").arms[0]
    sections = {name.removeprefix("/**/"): node["ros__parameters"] for name, node in yaml.safe_load(path.read_text()).items()}
    types = {name: v["type"] for name, v in sections["controller_manager"].items() if isinstance(v, dict)}
    for name in (name for name, kind in types.items() if kind in JTC):
        parameters = sections[name]
        assert set(parameters) <= JTC_KEYS
        assert parameters["interpolate_from_desired_state"] is True
        assert parameters["allow_nonzero_velocity_at_trajectory_end"] is False
        assert parameters["allow_trajectory_replacement"] is (arm.replacement_rule == "splice")
        assert parameters["command_interfaces"] in (["position"], ["effort"])
        if parameters["command_interfaces"] == ["effort"]:
            assert set(parameters["gains"]) == set(parameters["joints"])
            assert "velocity" in parameters["state_interfaces"]
    for joint in arm.joints:
        tolerance = sections[arm.trajectory_topic.rpartition("/")[0]]["constraints"][joint]["trajectory"]
        assert tolerance > arm.limits.tracking_tolerance, "our controller must notice first"


def test_every_arm_has_card_description_and_configuration():
    robots = {path.stem for path in (SHARE / "robots").glob("*.urdf")} - {"panda_tabletop"}
    assert robots == {path.stem.removesuffix("_controllers") for path in CONFIGURATIONS}
    assert robots == {path.stem for path in CARDS} - {"panda_tabletop"} == {"fr3", "ur5e", "wx250s"}
