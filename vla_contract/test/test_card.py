"""A card that is right: what it offers, and what its hashes depend on."""

import pytest
import yaml

from vla_contract.action_space import ActionSpace
from vla_contract.card import CardError, load_card, parse_card
from vla_contract.card_hash import contract_differences


def test_what_others_ask_of_a_card(card_text, tmp_path):
    path = tmp_path / "cell.yaml"
    path.write_text(card_text)
    card = load_card(path)
    assert card.action_space is ActionSpace.EE_DELTA
    assert (card.action_dim, card.state_dim, card.step_period_ns) == (7, 4, 100_000_000)
    assert card.gripper_columns == [6]
    assert card.arm_columns("left") == [0, 1, 2, 3, 4, 5] and card.gripper_column("left") == 6
    assert card.arm("left").limits.workspace_min == [0.2, -0.4, 0.0]
    assert card.camera("wrist").width == 96
    assert card.task("pick").instructions() == ["pick up the red block", "pick up the green block", "grab it"]
    with pytest.raises(KeyError, match=r"stack.*pick"):
        card.task("stack")


def test_a_card_cannot_be_changed_in_place(card_text):
    card = parse_card(card_text)
    with pytest.raises(ValueError, match="frozen"):
        card.action.horizon = 8


def test_two_arms_in_joint_space(changed):
    content = changed("action", "space", "JOINT_POSITION")
    second = yaml.safe_load(yaml.safe_dump(content["arms"][0]))
    second.update(name="right", joints=["k1", "k2", "k3"], trajectory_topic="right/joint_trajectory", gripper=None)
    content["arms"].append(second)
    content["action"]["names"] = ["j1", "j2", "j3", "left.gripper", "k1", "k2", "k3"]
    card = parse_card(content)
    assert card.gripper_columns == [3]
    assert card.arm_columns("right") == [4, 5, 6] and card.gripper_column("right") is None


def test_slots_of_one_sentence_never_share_a_value(changed):
    task = changed("name", "cell")["tasks"][0]
    task.update(wording=["stack {a} on {b}"], slots={"a": ["red", "green"], "b": ["red", "green"]})
    assert parse_card(changed("tasks", 0, task)).tasks[0].instructions() == ["stack red on green", "stack green on red"]


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def test_hashes_ignore_key_order_comments_and_how_numbers_are_written(card_text):
    card = parse_card(card_text)
    text = card_text.replace("rate: 30", "rate: 30.0").replace("width: 224", "width: 224.0").replace("-0.4", "-4.0e-1")
    text = text.replace("closed_value: 0", "closed_value: -0.0").replace("name: cell", "name: cell  # a comment")
    text += "schema_version: 1.0\n"
    assert text != card_text
    for other in (parse_card(text), parse_card(yaml.safe_dump(shuffled(yaml.safe_load(card_text)), sort_keys=False))):
        assert other.card_hash == card.card_hash
        assert other.policy_hash == card.policy_hash
    assert parse_card(card.to_dict()).card_hash == card.card_hash


def test_the_hash_of_a_known_card_stays(card_text):
    # Checkpoints and bags carry these: a change here makes every one of them foreign.
    card = parse_card(card_text)
    assert (card.policy_hash, card.card_hash) == ("e36322e548ac756f", "74b4866f0883a1a3")


MODEL_DEPENDS_ON = [
    ("cameras", 0, "width", 96),
    ("cameras", 0, "encoding", "mono8"),
    ("cameras", 0, "crop", {"x": 0, "y": 0, "width": 160, "height": 160}),
    ("cameras", 1, "resize", {"width": 64, "height": 64}),
    ("cameras", 1, "name", "side"),
    ("state", "fields", ["j2.position", "j1.position", "j3.velocity", "finger.position"]),
    ("action", "space", "EE_RELATIVE"),
    ("action", "step_period", 0.05),
    ("arms", 0, "base_frame", "world"),
    ("arms", 0, "tool_frame", "flange"),
    ("arms", 0, "gripper", "open_value", -1),
]

MODEL_IGNORES = [
    ("description", "another"),
    ("arms", 0, "home", [0.1, 0.5, 0.0]),
    ("arms", 0, "trajectory_topic", "other/joint_trajectory"),
    ("arms", 0, "replacement_rule", "splice"),
    ("arms", 0, "limits", "tool_speed", 0.5),
    ("arms", 0, "limits", "collision", "table_height", None),
    ("cameras", 0, "topic", "cam/image_raw"),
    ("cameras", 1, "topic", "/cell/wrist_cam"),
    ("state", "topic", "/arm/joint_states"),
    ("cameras", 0, "rate", 15),
    ("cameras", 0, "compressed", True),
    ("state", "max_skew", 0.04),
    ("action", "horizon", 8),
    ("max_open_loop", 1.5),
    ("tasks", 0, "time_limit", 20),
    ("dataset", "licence", "MIT"),
    ("failure_modes", []),
]


@pytest.mark.parametrize("change", MODEL_DEPENDS_ON, ids=str)
def test_policy_hash_covers_what_a_model_depends_on(card_text, changed, change):
    card, other = parse_card(card_text), parse_card(changed(*change))
    assert other.policy_hash != card.policy_hash
    assert other.card_hash != card.card_hash


@pytest.mark.parametrize("change", MODEL_IGNORES, ids=str)
def test_card_hash_covers_all_and_policy_hash_no_more_than_the_model(card_text, changed, change):
    card, other = parse_card(card_text), parse_card(changed(*change))
    assert other.policy_hash == card.policy_hash
    assert other.card_hash != card.card_hash


def test_order_of_cameras_is_part_of_the_contract(card_text, changed):
    cameras = changed("name", "cell")["cameras"]
    assert parse_card(changed("cameras", cameras[::-1])).policy_hash != parse_card(card_text).policy_hash


def test_a_changed_copy_has_hashes_of_its_own_and_is_checked(card_text):
    card = parse_card(card_text)
    first = card.card_hash
    copy = card.model_copy(update={"action": card.action.model_copy(update={"step_period": 0.2})})
    assert copy.card_hash != first and copy.policy_hash != card.policy_hash and card.card_hash == first
    with pytest.raises(CardError, match=r"max_open_loop: 0 s, must be above 0"):
        card.model_copy(update={"max_open_loop": 0.0})


def test_contracts_that_differ_name_the_field(card_text, changed):
    ours = parse_card(card_text).policy_contract()
    theirs = parse_card(changed("cameras", 0, "width", 96)).policy_contract()
    assert contract_differences(theirs, ours) == ["cameras[0].width: 96, the card has 224"]
    assert contract_differences(ours, ours) == []
    fewer = {**ours, "cameras": ours["cameras"][:1]}
    (line,) = contract_differences(fewer, ours)
    assert line.startswith("cameras: ") and "wrist" in line


@pytest.mark.parametrize(("topic", "info"), [
    ("front/image_raw", "front/camera_info"), ("/camera/color/image_raw", "/camera/color/camera_info"),
    ("/image", "/camera_info"), ("image", "camera_info"),
])  # fmt: skip
def test_the_camera_info_lies_beside_the_images(changed, topic, info):
    camera = parse_card(changed("cameras", 0, "topic", topic)).cameras[0]
    assert (camera.image_topic, camera.info_topic) == (topic, info)


SOURCES = [
    {"topic": "hand/joint_states", "type": "joint_states", "joints": ["finger"], "max_age": 0.3},
    {"topic": "/ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.04},
]


def test_sources_of_the_state_tell_fields_and_change_no_policy_hash(card_text, changed):
    card, other = parse_card(card_text), parse_card(changed("state", "sources", SOURCES))
    assert "sources" not in card.to_dict()["state"] and other.to_dict()["state"]["sources"] == SOURCES
    assert other.policy_hash == card.policy_hash and other.card_hash != card.card_hash
    assert parse_card(changed("state", "sources", [])).card_hash == card.card_hash
    state = other.state
    assert state.topics == {
        "joint_states": "sensor_msgs/msg/JointState", "hand/joint_states": "sensor_msgs/msg/JointState",
        "/ft/wrench": "geometry_msgs/msg/WrenchStamped",
    }  # fmt: skip
    assert [state.topic_of(f) for f in ("j1.position", "j1", "finger.velocity", "finger", "wrist.torque.y")] == [
        "joint_states", "joint_states", "hand/joint_states", "hand/joint_states", "/ft/wrench",
    ]  # fmt: skip
    assert [state.max_age_of(f) for f in ("j1.position", "finger.position", "wrist.force.x")] == [0.2, 0.3, 0.04]
    assert state.names_on("joint_states", ["finger", "j1", "lift"]) == ["", "j1", "lift"]
    assert state.names_on("hand/joint_states", ["finger", "j1"]) == ["finger", ""]
    assert card.state.names_on("joint_states", ["finger", "j1"]) == ["finger", "j1"]


def test_fields_of_a_wrench_are_part_of_the_contract(card_text, changed):
    content = changed("state", "sources", SOURCES)
    content["state"]["fields"] = [*content["state"]["fields"], "wrist.force.z"]
    card = parse_card(content)
    assert card.state_dim == 5 and card.policy_hash != parse_card(card_text).policy_hash


@pytest.mark.parametrize(("max_skew", "max_age", "gap_ns"), [(0.03, 0.2, 60_000_000), (0.15, 0.2, 200_000_000)])
def test_a_silence_is_bridged_where_no_moment_of_it_is_too_far_from_a_state(changed, max_skew, max_age, gap_ns):
    content = changed("state", "max_skew", max_skew)
    content["state"]["max_age"] = max_age
    state = parse_card(content).state
    assert state.longest_gap_ns == gap_ns == state.longest_gap_ns_of("j1.position")


def test_an_image_may_be_a_little_older_than_a_period(changed):
    rate = parse_card(changed("cameras", 0, "rate", 10.0)).cameras[0].rate
    content = changed("cameras", 0, "rate", rate)
    content["cameras"][0]["max_age"] = 0.11
    assert parse_card(content).cameras[0].max_age == 0.11
    content["cameras"][0]["max_age"] = 0.09
    with pytest.raises(CardError, match="0.09 s is less than one period"):
        parse_card(content)
