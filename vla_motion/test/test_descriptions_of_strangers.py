"""Descriptions are told apart by their root, limits and marks by name, and what no robot needs is refused."""

import os

import pytest

from vla_controller.ros.description import models_from_file, models_from_text
from vla_motion.collision_geometry import shapes_from_description
from vla_motion.description import MJCF, URDF, language_of, read_description
from vla_motion.model import ModelError, RobotModel

JOINT = """<joint name="elbow" type="revolute"><parent link="base"/><child link="tool"/><axis xyz="0 0 1"/>
<limit lower="{low}" upper="{high}" effort="1" velocity="2"/></joint>"""


def urdf(low: str = "-1", high: str = "1.5", more: str = "", front: str = "") -> str:
    return (
        f'{front}<robot name="r"><link name="base"/><link name="tool"/>{JOINT.format(low=low, high=high)}{more}</robot>'
    )


def load(text: str) -> RobotModel:
    return RobotModel.from_urdf(text, ["elbow"], "tool", "base")


@pytest.mark.parametrize(
    "more",
    [
        "<mujoco><compiler meshdir='m'/></mujoco>",
        "<!-- not for <mujoco> -->",
        "<gazebo><plugin name='&lt;mujoco'/></gazebo>",
        "<material name='mujoco'/>",
    ],
)
def test_a_urdf_with_the_word_mujoco_in_it_is_a_urdf(tmp_path, more):
    text = urdf(more=more)
    assert language_of(text) == URDF
    card = _card()
    assert models_from_text(text, card)[0].upper.tolist() == [1.5]
    (tmp_path / "r.urdf").write_text(text)
    assert models_from_file(str(tmp_path / "r.urdf"), card)[0].lower.tolist() == [-1.0]
    assert shapes_from_description(text, load(text)).shapes == []
    assert shapes_from_description(tmp_path / "r.urdf", load(text)) is not None


def _card():
    from types import SimpleNamespace

    return SimpleNamespace(arms=[SimpleNamespace(joints=["elbow"], tool_frame="tool", base_frame="base")])


def test_an_mjcf_with_the_word_robot_in_it_is_an_mjcf():
    text = (
        "<!-- <robot> --><mujoco model='robot'><worldbody><body name='base'><body name='tool'><joint name='elbow' range='-1 1'/>"
        "<geom size='0.1'/></body></body></worldbody></mujoco>"
    )
    assert language_of(text) == MJCF
    assert models_from_text(text, _card())[0].joints == ("elbow",)


@pytest.mark.parametrize(
    "front",
    [
        "\ufeff",
        "\ufeff<?xml version='1.0' encoding='utf-8'?>",
        "\n\n<?xml version='1.0'?>",
        "<?xml version='1.0'?><!-- x -->",
    ],
)
def test_marks_and_blanks_in_front_are_left_out(tmp_path, front):
    text = urdf(front=front)
    assert load(text).upper.tolist() == [1.5]
    (tmp_path / "r.urdf").write_text(text, encoding="utf-8")
    assert RobotModel.from_urdf(tmp_path / "r.urdf", ["elbow"], "tool", "base").upper.tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (urdf("2", "-1.25"), "joint elbow: its lower limit 2 is above its upper limit -1.25"),
        (urdf("2", "1", more="").replace('upper="1"', ""), "joint elbow: its lower limit 2 is above its upper limit 0"),
        (urdf("nan"), "joint elbow: its limit lower is 'nan', a finite number is needed"),
        (urdf("-1", "1e999"), "joint elbow: its limit upper is '1e999'"),
        (urdf("-1", "wide"), "joint elbow: its limit upper is 'wide'"),
    ],
)
def test_limits_are_told_by_name(text, words):
    with pytest.raises(ModelError, match=words):
        load(text)


def test_limits_of_joints_that_nobody_asked_for_do_not_matter():
    other = (
        JOINT.format(low=3, high=1)
        .replace("elbow", "gripper")
        .replace('link="tool"', 'link="finger"')
        .replace('link="base"', 'link="tool"', 1)
    )
    assert load(urdf(more=f'<link name="finger"/>{other}')).upper.tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<sdf version='1.7'/>", r"its root element is <sdf>; MJCF .<mujoco ...>. or URDF .<robot ...>. is needed"),
        ("GIF89a", "cannot be read: it begins 'GIF89a', which is no XML"),
        ("", "cannot be read: it begins ''"),
        ("<!DOCTYPE r [<!ENTITY a 'x'>]><robot name='&a;'/>", "declares entities, which no robot needs"),
        ("<robot>" + "<link>" * 200, "more than 100 elements inside each other"),
        (
            '<robot name="r" xmlns:xacro="x"><xacro:include filename="f"/></robot>',
            "is still xacro; `xacro FILE > robot.urdf`",
        ),
        (
            "<mujoco><asset><hfield nrow='100000' ncol='2'/></asset></mujoco>",
            "<hfield nrow='100000'>, at most 4096 is allowed",
        ),
        ("<mujoco><size memory='100G'/></mujoco>", "asks for 100G of memory"),
        ("<mujoco><asset><mesh file='/dev/zero'/></asset></mujoco>", "<mesh file='/dev/zero'> is no file"),
    ],
)
def test_what_is_no_robot_is_told(text, words):
    with pytest.raises(ModelError, match=words):
        language_of(text)


def test_a_description_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "pipe", "a named pipe"),
        ("/dev/zero", "a device"),
        (tmp_path / "gone", "No such file"),
    ):
        with pytest.raises(ModelError, match=f"{path}: cannot be read: {words}"):
            read_description(path)
        with pytest.raises(ModelError, match="cannot be read"):
            RobotModel.from_urdf(path, ["elbow"], "tool", "base")
        with pytest.raises(ModelError, match="cannot be read"):
            RobotModel.from_mjcf(path, ["elbow"], "tool", "base")
    (tmp_path / "wide").write_bytes(urdf().encode("utf-16"))
    with pytest.raises(ModelError, match="begins with the byte-order mark of UTF-16; save it as UTF-8"):
        read_description(tmp_path / "wide")


def test_a_mesh_of_a_package_says_how_it_is_found(tmp_path, monkeypatch):
    mesh = '<collision><geometry><mesh filename="package://my_arm/meshes/a.stl"/></geometry></collision>'
    text = urdf().replace('<link name="tool"/>', f'<link name="tool">{mesh}</link>')
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}/one{os.pathsep}{tmp_path}/two")
    with pytest.raises(ModelError) as caught:
        shapes_from_description(text, load(text))
    for words in (
        "mesh package://my_arm/meshes/a.stl of link tool is not found",
        f"{tmp_path}/two/share/my_arm/meshes/a.stl",
        "package://my_arm is share/my_arm in each folder of AMENT_PREFIX_PATH",
        "source the workspace that has the package my_arm",
    ):
        assert words in str(caught.value)
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    with pytest.raises(
        ModelError, match="looked for: nowhere; .*AMENT_PREFIX_PATH .which is empty.: source the workspace"
    ):
        shapes_from_description(text, load(text))
