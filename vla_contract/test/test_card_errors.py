"""A card that is wrong: the error names the file, the field, what was seen and what is allowed."""

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError

from vla_contract.card import CardError, load_card, parse_card
from vla_contract.card_messages import problems_of

LIMITS = ("arms", 0, "limits")
GRIPPER = ("arms", 0, "gripper")

HAND = {"topic": "hand/state", "type": "joint_states", "joints": ["finger"], "max_age": 0.3}
FORCE = {"topic": "ft/wrench", "type": "wrench", "name": "wrist", "max_age": 0.1}

WRONG = [
    # structure
    (("action", "horison", 16), "action.horison: unknown key (did you mean horizon?); allowed: space, names"),
    (("arms", 0, "limits", "velocities", [1]), "arms[0].limits.velocities: unknown key (did you mean velocity?)"),
    (("color", 1), "color: unknown key; allowed: schema_version, name"),
    (("schema_version", 2), "schema_version: 2, allowed: 1"),
    (("cameras", []), "cameras: 0 values given, at least 1 needed"),
    (("cameras", 0, "rate", "30"), "cameras[0].rate: '30', must be a number (without quotes"),
    (("cameras", 0, "rate", "1e3"), "an exponent needs a point and a sign: 1.0e+3"),
    (("cameras", 0, "width", 224.5), "cameras[0].width: 224.5, must be a whole number"),
    (("cameras", 0, "compressed", 1), "cameras[0].compressed: 1, must be true or false"),
    (("cameras", 0, "encoding", "yuv444"), "cameras[0].encoding: 'yuv444', allowed: 'rgb8', 'bgr8'"),
    (("cameras", 0, "frame", ""), "cameras[0].frame: empty text"),
    (("name", 5), "name: 5, must be text"),
    (("arms", 0, "joints", "j1"), "arms[0].joints: 'j1', must be a list"),
    (("arms", 0, "replacement_rule", "fast"), "arms[0].replacement_rule: 'fast', allowed: 'legacy', 'splice'"),
    ((*GRIPPER, "interface", "usb"), "arms[0].gripper.interface: 'usb', allowed: 'jtc', 'gripper_command', 'parallel_g"),
    ((*LIMITS, None), "arms[0].limits: nothing, must be a mapping"),
    ((*LIMITS, "velocity", 1, None), "arms[0].limits.velocity[1]: nothing, must be a number"),
    ((*LIMITS, "workspace_min", [0, 0]), "arms[0].limits.workspace_min: 2 values given, at least 3 needed: x, y, z"),
    ((*LIMITS, "tool_speed", float("nan")), "arms[0].limits.tool_speed: nan, must be a finite number"),
    ((*LIMITS, "jerk", 2, float("inf")), "arms[0].limits.jerk[2]: inf, must be a finite number"),
    # names, topics, frames
    (("cameras", 1, "name", "front"), "cameras[1].name: 'front' given twice, must be unique"),
    (("arms", 0, "name", "left.arm"), "arms[0].name: 'left.arm', allowed are letters, digits and _"),
    (("arms", 0, "joints", ["j1", "j2", "j1"]), "arms[0].joints[2]: 'j1' given twice"),
    ((*GRIPPER, "joint", "j2"), "arms[0].gripper.joint: 'j2' given twice"),
    (("cameras", 0, "topic", "/front//image_raw"), "cameras[0].topic: '/front//image_raw' is no topic name; allowed"),
    (("cameras", 0, "topic", "//front/image_raw"), "cameras[0].topic: '//front/image_raw' is no topic name"),
    (("cameras", 0, "topic", "/"), "cameras[0].topic: '/' is no topic name"),
    (("cameras", 0, "topic", "/1st/image_raw"), "cameras[0].topic: '/1st/image_raw' is no topic name"),
    (("cameras", 0, "topic", "~/image_raw"), "cameras[0].topic: '~/image_raw' is of one node alone"),
    (("cameras", 0, "topic", "/a" * 101), "cameras[0].topic: 202 characters, at most 200 are allowed"),
    (("cameras", 1, "topic", "/front/image_raw"), "cameras[1].topic: 'front/image_raw' given twice"),
    (("arms", 0, "trajectory_topic", "/arm/joint_trajectory"), "arms[0].trajectory_topic: '/arm/joint_trajectory' is not rel"),
    (("state", "topic", "/joint_states/"), "state.topic: '/joint_states/' is no topic name"),
    (("state", "topic", "joint states"), "state.topic: 'joint states' is no topic name"),
    (("state", "sources", [{**HAND, "topic": "/joint_states"}]), "state.sources[0].topic: 'joint_states' given twice"),
    (("state", "sources", [{**HAND, "topic": "hand-1/state"}]), "state.sources[0].topic: 'hand-1/state' is no topic name"),
    (("state", "sources", [{**HAND, "joints": ["thumb"]}]), "state.sources[0].joints[0]: no joint 'thumb' in arms"),
    (("state", "sources", [{**HAND, "joints": []}]), "state.sources[0].joints: 0 values given, at least 1 needed"),
    (("state", "sources", [HAND, {**HAND, "topic": "other"}]), "state.sources[1].joints[0]: 'finger' given twice"),
    (("state", "sources", [{**HAND, "max_age": 300}]), "state.sources[0].max_age: 300, allowed is up to 5 s"),
    (("state", "sources", [{**HAND, "type": "imu"}]), "state.sources[0].type: 'imu', allowed: 'joint_states', 'wrench'"),
    (("state", "sources", [{**HAND, "name": "hand"}]), "state.sources[0].name: type joint_states has none; it is of"),
    (("state", "sources", [{k: v for k, v in HAND.items() if k != "joints"}]), "state.sources[0].joints: missing; type"),
    (("state", "sources", [{**HAND, "type": "wrench", "name": "w"}]), "state.sources[0].joints: type wrench has none"),
    (("state", "sources", [{**FORCE, "name": None}]), "state.sources[0].name: missing; type wrench needs it"),
    (("state", "sources", [{**FORCE, "name": "a.b"}]), "state.sources[0].name: 'a.b', allowed are letters, digits and _"),
    (("state", "sources", [FORCE, {**FORCE, "topic": "b"}]), "state.sources[1].name: 'wrist' given twice"),
    (("state", "fields", ["wrist.force.x"]), "state.fields[0]: 'wrist.force.x', allowed is a joint followed by"),
    (("cameras", 1, "topic", "front/image_raw"), "cameras[1].topic: 'front/image_raw' given twice"),
    ((*GRIPPER, "topic", "arm/joint_trajectory"), "arms[0].gripper.topic: 'arm/joint_trajectory' given twice"),
    (("arms", 0, "base_frame", "/base"), "arms[0].base_frame: '/base' is no frame name"),
    (("action", "smoothing", {"cutoff": 0.5}), "action.smoothing.cutoff: 0.5 rad/s, allowed are 1 to 1000, or null"),
    (("action", "smoothing", {"cutoff": 1001}), "action.smoothing.cutoff: 1001 rad/s, allowed are 1 to 1000, or null"),
    (("action", "smoothing", {"cutoff": "off"}), "action.smoothing.cutoff: 'off', must be a number"),
    (("action", "smoothing", {"enabled": 0}), "action.smoothing.enabled: 0, must be true or false"),
    (("action", "smoothing", {"position": 0}), "action.smoothing.position: 0 m, must be above 0"),
    (("action", "smoothing", {"position": 2}), "action.smoothing.position: 2, allowed is up to 1 m (likely millimetres)"),
    (("action", "smoothing", {"angle": 5}), "action.smoothing.angle: 5, allowed is up to 3.15 rad (likely degrees)"),
    (("action", "smoothing", {"cut_off": 5}), "action.smoothing.cut_off: unknown key (did you mean cutoff?)"),
    # arms
    ((*LIMITS, "velocity", [1, 1]), "arms[0].limits.velocity: 2 values given, 3 joints need 3"),
    ((*LIMITS, "position_upper", [1, 1]), "arms[0].limits.position_upper: 2 values given, 3 joints need 3"),
    (("arms", 0, "home", [0] * 4), "arms[0].home: 4 values given, 3 joints need 3"),
    (("arms", 0, "home", [0, 2.5, 0]), "arms[0].home[1]: 2.5 rad for j2, the limits are -2 to 2"),
    ((*LIMITS, "position_lower", [-1, 2, -3]), "arms[0].limits.position_lower[1]: 2 for j2, must be below position_upper"),
    ((*LIMITS, "position_lower", [-170, -2, -3]), "arms[0].limits.position_lower[0]: -170 for j1, radians"),
    ((*LIMITS, "velocity", 0, 120), "arms[0].limits.velocity[0]: 120 for j1, up to 50 rad/s is allowed: radians"),
    ((*LIMITS, "velocity", 0, 0), "arms[0].limits.velocity[0]: 0 for j1, must be above 0 rad/s"),
    ((*LIMITS, "acceleration", 1, 900), "arms[0].limits.acceleration[1]: 900 for j2"),
    ((*LIMITS, "jerk", 1, -1), "arms[0].limits.jerk[1]: -1 for j2, must be above 0"),
    ((*LIMITS, "workspace_min", [0.2, 0.4, 0]), "arms[0].limits.workspace_min[1]: 0.4 for y, must be below workspace_max"),
    ((*LIMITS, "workspace_max", [700, 0.4, 0.6]), "arms[0].limits.workspace_max[0]: 700, metres up to 10"),
    ((*LIMITS, "tool_speed", 700), "arms[0].limits.tool_speed: 700, allowed is up to 10 m/s (likely millimetres)"),
    ((*LIMITS, "tool_angular_speed", 120), "arms[0].limits.tool_angular_speed: 120, allowed is up to 50 rad/s"),
    ((*LIMITS, "tracking_tolerance", 5), "arms[0].limits.tracking_tolerance: 5, allowed is up to 3.14159 rad"),
    ((*LIMITS, "collision", "table_height", 20), "arms[0].limits.collision.table_height: 20, metres"),
    ((*GRIPPER, "open_position", 40), "arms[0].gripper.open_position: 40, up to"),
    ((*GRIPPER, "closed_position", 0.04), "arms[0].gripper.closed_position: 0.04 is open_position too"),
    ((*GRIPPER, "closed_value", 1), "arms[0].gripper.closed_value: 1 is open_value too; open and closed must differ"),
    # cameras and state
    (("cameras", 0, "height", 0), "cameras[0].height: 0, allowed are 8 to 8192 pixels"),
    (("cameras", 0, "rate", 0), "cameras[0].rate: 0 Hz, must be above 0"),
    (("cameras", 0, "max_age", 250), "cameras[0].max_age: 250, allowed is up to 5 s (likely milliseconds)"),
    (("cameras", 0, "max_age", 0.01), "cameras[0].max_age: 0.01 s is less than one period of the camera"),
    (("state", "max_skew", -1), "state.max_skew: -1 s, must be above 0"),
    (("state", "fields", 0, "j9.position"), "state.fields[0]: no joint 'j9' in arms; there are j1, j2, j3, finger"),
    (("state", "fields", 0, "j1"), "state.fields[0]: 'j1', allowed is a joint followed by .position, .velocity, .effort"),
    (("state", "fields", 1, "j1.position"), "state.fields[1]: 'j1.position' given twice"),
    # action
    (("action", "step_period", 100), "action.step_period: 100, allowed is up to 5 s (likely milliseconds)"),
    (("action", "horizon", 0), "action.horizon: 0, allowed are 1 to 1000 steps"),
    (("max_open_loop", 2000), "max_open_loop: 2000, allowed is up to 60 s (likely milliseconds)"),
    (("max_open_loop", 0.05), "max_open_loop: 0.05 s is less than action.step_period (0.1 s)"),
    (("action", "space", "EE_VELOCITY"), "action.space: 'EE_VELOCITY', allowed: 'JOINT_POSITION', "),
    (("action", "space", "JOINT_DELTA"), "action.names: missing j1, j2, j3; unexpected left.x, left.y"),
    (("action", "names", [f"w{i}" for i in range(1024)]), "unexpected w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, "
     "w13, w14, w15, w16, w17, w18, w19 and 1004 more; EE_DELTA of left needs"),
    (("action", "names", 6, "left.grip"), "action.names: missing left.gripper; unexpected left.grip; EE_DELTA of left"),
    ((*GRIPPER, None), "action.names: unexpected left.gripper"),
    # tasks
    (("tasks", 0, "wording", ["lift the {colour} block"]), "tasks[0].wording[0]: no slot 'colour'; slots has color"),
    (("tasks", 0, "wording", ["lift the {color block"]), "a slot is written {name}"),
    (("tasks", 0, "wording", ["lift it"]), "tasks[0].slots.color: no wording uses it"),
    (("tasks", 0, "slots", "color", []), "tasks[0].slots.color: no values, at least one is needed"),
    (("tasks", 0, "time_limit", 0), "tasks[0].time_limit: 0 s, must be above 0"),
]


@pytest.mark.parametrize("change, expected", WRONG, ids=[str(case[1])[:60] for case in WRONG])
def test_every_error_names_the_field_and_what_is_allowed(changed, change, expected):
    with pytest.raises(CardError) as caught:
        parse_card(changed(*change), source="cell.yaml")
    assert expected in str(caught.value)
    assert all(line.startswith("cell.yaml: ") for line in str(caught.value).splitlines())


REQUIRED = [
    ("name",), ("arms",), ("cameras",), ("state",), ("action",), ("max_open_loop",), ("tasks",), ("dataset",),
    ("arms", 0, "joints"), (*LIMITS, "jerk"), (*LIMITS, "collision"), (*GRIPPER, "open_value"), ("cameras", 1, "max_age"),
    ("state", "max_skew"), ("action", "step_period"), ("tasks", 0, "success_metric"), ("dataset", "licence"),
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED, ids=str)
def test_a_missing_field_is_named_with_what_it_means(changed, path):
    with pytest.raises(CardError) as caught:
        parse_card(changed(*path, changed.REMOVE))
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
    problem = next(p for p in caught.value.problems if p.message.startswith("missing"))
    assert str(problem).startswith(f"{text}: missing; it is needed: ")
    assert len(problem.message) > len("missing; it is needed: ") + 3


def places(content, path=()):
    """Every path in the content, of branches and leaves."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def test_nonsense_in_any_place_is_an_error_at_or_above_it_or_harmless(card_text, changed):
    for path in places(yaml.safe_load(card_text)):
        for nonsense in (None, True, -1, 10**400, float("nan"), "", "x y", [], [None], {}, {"a": 1}):
            try:
                parse_card(changed(*path, nonsense), source="cell.yaml")
            except CardError as error:
                assert all(problem.path and problem.message for problem in error.problems), (path, nonsense, str(error))


def test_permuted_action_names_are_told_from_missing_ones(changed):
    names = ["left.x", "left.y", "left.z", "left.ry", "left.rx", "left.rz", "left.gripper"]
    with pytest.raises(CardError, match=r"action\.names\[3\]: left\.ry stands where left\.rx must"):
        parse_card(changed("action", "names", names))


class Wide(BaseModel, extra="forbid"):
    width: int = Field(description="how wide it is")


class Either(BaseModel, extra="forbid"):
    wide: Wide | None = None
    part: Wide | list[str] = []


def test_an_unknown_key_is_told_with_the_keys_of_its_model_where_that_is_known():
    with pytest.raises(ValidationError) as caught:
        Either.model_validate({"wide": {"width": 3, "widht": 4}, "part": {"height": 5}})
    told = {problem.path: problem.message for problem in problems_of(caught.value, Either)}
    assert told["wide", "widht"] == "unknown key (did you mean width?); allowed: width"
    assert told["part", "Wide", "height"].startswith("unknown key; allowed:"), "pydantic names the choice, which is no key"


def test_all_problems_are_told_at_once(changed):
    content = changed("max_open_loop", -1)
    content["arms"][0]["home"] = [9, 9, 9]
    with pytest.raises(CardError) as caught:
        parse_card(content)
    assert len(caught.value.problems) == 4
    assert [p.path for p in caught.value.problems][:2] == [("arms", 0, "home", 0), ("arms", 0, "home", 1)]


def test_a_key_given_twice_is_refused_with_both_lines(card_text):
    text = card_text.replace("      tool_speed: 0.7\n", "      tool_speed: 0.7\n      tool_speed: 0.9\n")
    line = text.splitlines().index("      tool_speed: 0.7") + 1
    with pytest.raises(CardError, match=rf"line {line + 1}: key 'tool_speed' given twice, first on line {line}$"):
        parse_card(text, "cell.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\n\nc:\n  e: 3\n  d: 4\n  f: 5\n  d: 6\n", "line 8: key 'd' given twice, first on line 6"),
        ("a: 1\nb: 2\nc:\n  7.5: x\n", "line 4: key 7.5 is not text"),
        ("a: 1\n? [" + "q" * 80 + "]\n: 2\n", "line 2: key ['" + "q" * 58 + " is not text"),
        ("a: 1\nb:\n  - 2\n  - 016\n", "line 4: 016 is octal for YAML, 14; write 16"),
        ("a: 1\nb:\n  - 2\n  - 1:30\n", "line 4: 1:30 is a number to the base of 60"),
        ("a: 1\nb: 1." + "5" * 90 + "\n", "line 2: a number of 92 digits"),
        ("a: 1." + "0" * 58 + "\nb: 1." + "5" * 59 + "\n", "line 2: a number of 61 digits"),
    ],
)
def test_what_yaml_takes_for_something_else_is_told_with_its_line(text, words):
    with pytest.raises(CardError) as caught:
        parse_card(text, "cell.yaml")
    assert str(caught.value).startswith(f"cell.yaml: {words}")


def test_anchors_and_merges_still_work(card_text):
    text = card_text.replace("dataset: {", "dataset: {<<: &d {licence: MIT}, ").replace("licence: Apache-2.0, ", "")
    assert parse_card(text).dataset.licence == "MIT"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "empty, a card is a mapping"),
        ("- a\n- b\n", "a list, a card is a mapping"),
        ("a: [", "not YAML"),
        ("a: !!python/object/apply:os.getcwd []", "not YAML"),
        ("1: 2", "key 1 is not text"),
    ],
)
def test_what_is_no_card_at_all(text, expected):
    with pytest.raises(CardError, match=f"^cell.yaml: .*{expected}"):
        parse_card(text, "cell.yaml")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(CardError, match=r"nowhere\.yaml: no such file"):
        load_card(tmp_path / "nowhere.yaml")
    with pytest.raises(CardError, match="is a folder"):
        load_card(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(CardError, match=r"image\.yaml: cannot be read"):
        load_card(tmp_path / "image.yaml")


def test_errors_of_a_file_begin_with_its_path(card_text, tmp_path):
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(card_text), "max_open_loop": 0}))
    with pytest.raises(CardError) as caught:
        load_card(path)
    assert str(caught.value).startswith(f"{path}: max_open_loop: 0 s")


def test_a_part_that_a_wrench_does_not_have_is_named_with_those_it_has(changed):
    content = changed("state", "sources", [FORCE])
    content["state"]["fields"] = ["j1.position", "wrist.force.w"]
    with pytest.raises(CardError, match=r"state.fields\[1\]: 'wrist.force.w', a wrench has wrist.force.x, .*, wrist.torque.z"):
        parse_card(content)
