"""Names of recorded topics: which by default, and which ROS does not allow."""

import pytest

from vla_bags.recorded_topics import absolute, check_names, default_topics
from vla_bringup import cli
from vla_contract.card import parse_card


def test_default_topics_are_the_card_and_the_suite(card):
    names = {absolute(name, "/cell") for name in default_topics(card)}
    assert {"/cell/front/image_raw", "/cell/front/camera_info", "/cell/joint_states", "/cell/vla/action_chunk"} <= names
    assert {"/cell/panda_hand_controller/joint_trajectory", "/clock", "/rosout"} <= names
    assert absolute("joint_states", "") == absolute("joint_states", "/") == "/joint_states"


@pytest.mark.parametrize(("words", "told"), [
    (["--namespace", "a b"], "namespace 'a b': invalid namespace: "),
    (["--namespace", "cell/"], "namespace 'cell/': invalid namespace: "),
    (["--topics", "joint_states", "front image"], "topic 'front image': invalid topic name: "),
    (["--namespace", "cell", "--topics", ""], "topic '': invalid topic name: "),
])  # fmt: skip
def test_names_that_ros_does_not_allow_are_named(tmp_path, capsys, words, told):
    assert cli.main(["record", "--out", str(tmp_path / "bag"), *words]) == cli.USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith(f"vla record: error: {told}") and error.count("\n") == 1
    assert not (tmp_path / "bag").exists()


def test_names_that_ros_allows(card):
    for namespace in ("", "/", "cell", "/cell", "cell/left_1"):
        check_names(namespace, [*default_topics(card), "/other/topic"])


def test_absolute_names_of_a_card_stay_outside_the_namespace(card):
    content = card.to_dict()
    content["cameras"][0]["topic"], content["state"]["topic"] = "/rig/top/image_raw", "/arm/joint_states"
    names = {absolute(name, "cell") for name in default_topics(parse_card(content))}
    assert {"/rig/top/image_raw", "/rig/top/camera_info", "/arm/joint_states", "/cell/wrist/image_raw"} <= names
    assert not names & {"/cell/front/image_raw", "/cell/joint_states", "/cell/rig/top/image_raw"}
