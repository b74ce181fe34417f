"""Where the bounds of a card's numbers and lists lie: the last value that is allowed, and the first that is not."""

import math

import pytest
import yaml

from vla_contract.card import CardError, parse_card

LIMITS = ("arms", 0, "limits")
TURNS = 4 * math.pi
HAND = {"topic": "hand/state", "type": "joint_states", "joints": ["finger"], "max_age": 0.3}

BOUNDS = [
    (("action", "horizon"), 1, 0), (("action", "horizon"), 1000, 1001),
    (("action", "step_period"), 2.0, 0.0), (("max_open_loop",), 60.0, 60.001), (("max_open_loop",), 0.1, 0.099),
    (("state", "max_age"), 5, 5.001), (("state", "max_age"), 0.001, 0), (("state", "max_skew"), 5, 5.001),
    (("state", "max_skew"), 0.001, 0.0), (("state", "sources"), [{**HAND, "max_age": 5}], [{**HAND, "max_age": 5.01}]),
    (("cameras", 0, "width"), 8, 7), (("cameras", 0, "width"), 8192, 8193),
    (("cameras", 0, "height"), 8, 7), (("cameras", 0, "height"), 8192, 8193),
    (("cameras", 0, "resize"), {"width": 8, "height": 8192}, {"width": 7, "height": 8192}),
    (("cameras", 0, "resize"), {"width": 8192, "height": 8}, {"width": 8192, "height": 7}),
    (("cameras", 0, "rate"), 1000, 1000.1), (("cameras", 1, "rate"), 4.0, 0), (("cameras", 0, "max_age"), 5, 5.01),
    (("cameras", 0, "max_age"), 1 / 30, 0.0333),
    (("cameras", 0, "crop"), {"x": 0, "y": 0, "width": 224, "height": 160}, {"x": -1, "y": 0, "width": 224, "height": 160}),
    (("cameras", 0, "crop"), {"x": 216, "y": 152, "width": 8, "height": 8}, {"x": 217, "y": 152, "width": 8, "height": 8}),
    (("cameras", 0, "crop"), {"x": 0, "y": 152, "width": 8, "height": 8}, {"x": 0, "y": 153, "width": 8, "height": 8}),
    (("cameras", 0, "crop"), {"x": 0, "y": 0, "width": 8, "height": 8}, {"x": 0, "y": 0, "width": 7, "height": 8}),
    (("tasks", 0, "time_limit"), 3600, 3600.1), (("tasks", 0, "time_limit"), 0.1, 0),
    ((*LIMITS, "position_upper", 1), TURNS, TURNS + 1e-6), ((*LIMITS, "position_lower", 1), -TURNS, -TURNS - 1e-6),
    ((*LIMITS, "position_lower", 0), 0.0, 1.0), ((*LIMITS, "velocity", 1), 50, 50.1), ((*LIMITS, "velocity", 1), 1e-6, 0),
    ((*LIMITS, "acceleration", 2), 500, 501), ((*LIMITS, "jerk", 0), 100_000, 100_001), ((*LIMITS, "jerk", 0), 1e-6, 0),
    ((*LIMITS, "workspace_min", 2), -10, -10.1), ((*LIMITS, "workspace_max", 0), 10, 10.1),
    ((*LIMITS, "workspace_min", 1), 0.399, 0.4), ((*LIMITS, "tool_speed"), 10, 10.01),
    ((*LIMITS, "tool_angular_speed"), 50, 50.1), ((*LIMITS, "tracking_tolerance"), math.pi, 3.1416),
    ((*LIMITS, "collision", "table_height"), 10, 10.1), ((*LIMITS, "collision", "table_height"), -10, -10.1),
    (("arms", 0, "home", 1), 2.0, 2.001), (("arms", 0, "home", 1), -2.0, -2.001),
    (("arms", 0, "gripper", "open_position"), TURNS, TURNS + 1e-6),
    (("arms", 0, "gripper", "closed_position"), -TURNS, -TURNS - 1e-6),
    (("arms", 0, "gripper", "closed_value"), 0.999, 1), (("arms", 0, "gripper", "closed_position"), 0.0399, 0.04),
    (("cameras", 0, "topic"), "a" * 200, "a" * 201),
    (("state", "fields"), ["j1.position"], []), (("tasks", 0, "wording"), ["the {color} one"], []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "last", "beyond"), BOUNDS, ids=lambda value: str(value)[:40])
def test_a_bound_is_allowed_and_what_lies_beyond_is_not(changed, path, last, beyond):
    parse_card(changed(*path, last))
    with pytest.raises(CardError) as told:
        parse_card(changed(*path, beyond))
    assert any(problem.path[: len(path)] == path for problem in told.value.problems)


@pytest.mark.parametrize(("encoding", "width", "last", "beyond"), [
    ("16UC1", 224, {"near": 0, "far": 65.535}, {"near": 0, "far": 65.536}),
    ("16UC1", 224, {"near": 0.5, "far": 0.501}, {"near": 0.5, "far": 0.5}),
    ("16UC1", 224, {"near": 0.0, "far": 1.0}, {"near": -0.001, "far": 1.0}),
])  # fmt: skip
def test_distances_of_depth(changed, encoding, width, last, beyond):
    for depth, fits in ((last, True), (beyond, False)):
        content = changed("cameras", 0, "encoding", encoding)
        content["cameras"][0] |= {"width": width, "depth": depth}
        if fits:
            assert parse_card(content).cameras[0].depth.far == depth["far"]
        else:
            with pytest.raises(CardError, match="65.535, near below far"):
                parse_card(content)


def test_images_whose_pixels_come_in_pairs_have_an_even_width(changed):
    for width, fits in ((8, True), (9, False), (10, True)):
        content = changed("cameras", 0, "encoding", "yuv422_yuy2")
        content["cameras"][0]["width"] = width
        if fits:
            assert parse_card(content).cameras[0].width == width
        else:
            with pytest.raises(CardError, match="an even number is needed"):
                parse_card(content)


def _arms(card_text: str, arms: int, joints: int) -> dict:
    """Arms of that many joints, an action in joint positions, and no grippers."""
    content = yaml.safe_load(card_text)
    made = []
    for k in range(arms):
        arm = yaml.safe_load(card_text)["arms"][0]
        names = [f"a{k}j{j}" for j in range(joints)]
        arm |= {"name": f"arm{k}", "joints": names, "home": [0.0] * joints, "trajectory_topic": f"arm{k}/joint_trajectory"}
        del arm["gripper"]
        for key, value in (("position_lower", -1), ("position_upper", 1), ("velocity", 1), ("acceleration", 1), ("jerk", 1)):
            arm["limits"][key] = [value] * joints
        made.append(arm)
    names = [joint for arm in made for joint in arm["joints"]]
    content |= {"arms": made, "action": {**content["action"], "space": "JOINT_POSITION", "names": names}}
    content["state"]["fields"] = [f"{joint}.position" for arm in made for joint in arm["joints"]]
    return content


@pytest.mark.parametrize(("arms", "joints", "words"), [
    (1, 1, ""), (1, 64, ""), (1, 65, r"arms\[0\].joints: 65 values given, at most 64"),
    (16, 2, ""), (17, 2, "arms: 17 values given, at most 16"), (16, 64, ""),
])  # fmt: skip
def test_how_many_arms_joints_and_columns_a_card_may_have(card_text, arms, joints, words):
    """16 arms of 64 joints are 1024 columns and fields of the state: the most of both."""
    content = _arms(card_text, arms, joints)
    if not words:
        assert parse_card(content).action_dim == arms * joints
        return
    with pytest.raises(CardError, match=words):
        parse_card(content)


@pytest.mark.parametrize(("count", "fits"), [(32, True), (33, False)])
def test_how_many_cameras_a_card_may_have(changed, count, fits):
    camera = changed("name", "cell")["cameras"][0]
    content = changed("cameras", [{**camera, "name": f"c{k}", "topic": f"c{k}/image"} for k in range(count)])
    if fits:
        assert len(parse_card(content).cameras) == count
    else:
        with pytest.raises(CardError, match="cameras: 33 values given, at most 32"):
            parse_card(content)


@pytest.mark.parametrize(("count", "fits"), [(16, True), (17, False)])
def test_how_many_sources_of_the_state_a_card_may_have(changed, count, fits):
    sources = [{"topic": f"ft{k}", "type": "wrench", "name": f"w{k}", "max_age": 0.1} for k in range(count)]
    if fits:
        assert len(parse_card(changed("state", "sources", sources)).state.sources) == count
    else:
        with pytest.raises(CardError, match="state.sources: 17 values given, at most 16"):
            parse_card(changed("state", "sources", sources))


@pytest.mark.parametrize(("values", "fits"), [(100, True), (101, False)])
def test_how_many_sentences_a_card_may_make(changed, values, fits):
    """A hundred times a hundred; and one sentence without slots would be one too many, too."""
    slots = {"color": [f"c{k}" for k in range(100)], "place": [f"p{k}" for k in range(values)]}
    task = changed("name", "cell")["tasks"][0]
    for wording in (["the {color} one to {place}"], *([["the {color} one to {place}", "go"]] if fits else [])):
        content = changed("tasks", 0, {**task, "wording": wording, "slots": slots})
        if fits and len(wording) == 1:
            assert parse_card(content).tasks[0].sentence_count() == 10_000
        else:
            with pytest.raises(CardError, match="makes more than 10000 sentences"):
                parse_card(content)
