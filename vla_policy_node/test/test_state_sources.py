"""A policy's subscriptions where the state comes from several topics."""

from vla_contract.card import parse_card
from vla_policy_node.ros.subscriptions import awaited_of


def test_what_is_awaited_is_told_by_the_topic_that_tells_it(card):
    content = card.to_dict()
    finger = card.arms[0].gripper.joint
    content["state"]["fields"] += ["wrist.force.z"]
    content["state"]["sources"] = [
        {"topic": "/hand/state", "type": "joint_states", "joints": [finger], "max_age": 0.3},
        {"topic": "ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.1},
    ]
    awaited = awaited_of(parse_card(content))
    for camera in card.cameras:
        awaited.heard(camera.image_topic, 9.5)
    awaited.heard("joint_states", 9.5, ["panda_joint1", finger])
    lines = awaited.words(10.0, lambda topic: 1, lambda topic: 1)
    assert f"waiting for {finger} on /hand/state: 1 publishes there" in lines
    assert "waiting for wrist.force.z on ft/wrench: 1 publishes there" in lines
    (arm,) = (line for line in lines if "on joint_states" in line)
    assert "panda_joint2" in arm and "panda_joint1," not in arm and finger not in arm
    awaited.heard("not/awaited", 9.5)
