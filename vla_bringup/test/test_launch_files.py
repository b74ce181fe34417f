"""What launch files mean, and what is refused, with file and line."""

from pathlib import Path

import pytest
import yaml
from launching import write_launch_file

from vla_bags.bag_folder import COMPRESSIONS
from vla_bags.image_packer import IMAGES
from vla_contract.recording import QUALITY
from vla_controller.planning.strategy import STRATEGIES
from vla_graph.launch import LaunchError, arguments_of, plan_launch
from vla_graph.launch.substitutions import Substituter, SubstitutionError

LAUNCH = Path(__file__).parents[1] / "launch"
SIM, REAL = LAUNCH / "sim.launch.xml", LAUNCH / "real.launch.xml"


OF_MINE = '<node pkg="robot" exec="node"><param name="p" value="$(var mine)" type="int"/></node>'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `robot` with an executable `node`, in an install prefix of its own."""
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/robot").touch()
    program = tmp_path / "lib/robot/node"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    return tmp_path


def plan(folder: Path, body: str, **values: str):
    return plan_launch(write_launch_file(folder, body), values)


def remaps(process) -> list[str]:
    words = process.command
    return [after for word, after in zip(words, words[1:]) if word == "-r" and not after.startswith("__")]


def test_remappings_reach_the_nodes_behind_them_in_their_group_and_in_what_it_includes(package):
    (package / "inner.launch.xml").write_text(
        '<launch><node pkg="robot" exec="node" name="in"><remap from="a" to="own"/></node></launch>'
    )
    body = """
      <arg name="camera" default="/camera/color"/>
      <node pkg="robot" exec="node" name="before"/>
      <group>
        <set_remap from="a" to="$(var camera)/image_raw"/>
        <set_remap from="no" to="never" if="false"/>
        <include file="$(dirname)/inner.launch.xml"/>
        <group><set_remap from="b" to="/b"/><node pkg="robot" exec="node" name="deep"/></group>
        <node pkg="robot" exec="node" name="beside"/>
      </group>
      <node pkg="robot" exec="node" name="behind"/>"""
    told = {p.name: remaps(p) for p in plan(package, body, camera="/rig").processes}
    assert told == {
        "before": [], "in": ["a:=/rig/image_raw", "a:=own"], "deep": ["a:=/rig/image_raw", "b:=/b"],
        "beside": ["a:=/rig/image_raw"], "behind": [],
    }  # fmt: skip


def test_the_example_with_other_topics_gives_every_node_the_same_rules():
    path = LAUNCH.parents[1] / "examples" / "remapped.launch.xml"
    values = {"card": "/cell.yaml", "model": "/arm.urdf", "checkpoint": "/p.safetensors", "mock": "true", "camera": "/rig",
              "record": "true"}  # fmt: skip
    processes = plan_launch(path, values).processes
    assert [p.name for p in processes] == ["mock", "controller", "policy", "recorder"]
    rules = remaps(processes[0])
    assert all(remaps(p) == rules for p in processes)
    arm = "joint_trajectory_controller/joint_trajectory"
    assert {"joint_states:=/ur/joint_states", "wrist/color/image_raw:=/rig/image_raw", f"scaled_{arm}:=/{arm}"} <= set(rules)
    card = yaml.safe_load((LAUNCH.parent / "cards" / "ur5e.yaml").read_text())
    named = {card["state"]["topic"], card["arms"][0]["trajectory_topic"], *(camera["topic"] for camera in card["cameras"])}
    from_names = {rule.partition(":=")[0] for rule in rules}
    assert len(from_names & named) == 3, "the rules are about names of the card that the example tells to try"


def test_a_node_becomes_the_command_that_ros2_launch_would_run(package):
    body = """
      <arg name="speed" default="2"/>
      <node pkg="robot" exec="node" name="arm" namespace="left" args="--fast 'two words'" ros_args="--log-level warn">
        <param name="speed" value="$(var speed)"/>
        <param name="label" value="$(var speed)" type="str"/>
        <param name="empty" value="" type="str"/>
        <param name="ratio" value="3" type="float"/>
        <param from="$(dirname)/arm.yaml"/>
        <remap from="in" to="out"/>
        <env name="COLOUR" value="red"/>
      </node>"""
    spec, = plan(package, body).processes
    assert spec.command[:5] == (str(package / "lib/robot/node"), "--fast", "two words", "--ros-args", "-r")
    words = list(spec.command[5:])
    assert words == ["__node:=arm", "-r", "__ns:=/left", "-p", "speed:=2", "-p", 'label:="2"', "-p", 'empty:=""', "-p",
                     "ratio:=3.0", "--params-file", f"{package}/arm.yaml", "-r", "in:=out", "--log-level", "warn"]
    assert spec.environment == {"COLOUR": "red"} and spec.name == "arm" and not spec.required


@pytest.mark.parametrize("value", ["a b", "it's", 'say "hi"', "{x: 1}", "yes", "007", "null", "ü"])
def test_text_parameters_reach_the_node_as_they_are(package, value):
    body = '<arg name="v"/><node pkg="robot" exec="node"><param name="p" value="$(var v)" type="str"/></node>'
    spec, = plan(package, body, v=value).processes
    assert yaml.safe_load(spec.command[-1].partition(":=")[2]) == value


def test_conditions_variables_groups_and_includes(package):
    (package / "inner.launch.xml").write_text(
        '<launch><arg name="who"/><log message="inner $(var who)"/><node pkg="robot" exec="node" name="$(var who)"/></launch>')
    body = """
      <arg name="extra" default="false"/>
      <let name="word" value="outer"/>
      <group>
        <let name="word" value="grouped"/>
        <set_env name="MODE" value="$(var word)"/>
        <push_ros_namespace namespace="cell"/>
        <node pkg="robot" exec="node" name="a" namespace="arm"/>
      </group>
      <node pkg="robot" exec="node" name="b" if="$(var extra)"/>
      <node pkg="robot" exec="node" name="c" unless="$(var extra)" on_exit="shutdown"/>
      <include file="$(dirname)/inner.launch.xml"><arg name="who" value="$(var word)"/></include>"""
    result = plan(package, body)
    assert [p.name for p in result.processes] == ["a", "c", "outer"]
    assert "__ns:=/cell/arm" in result.processes[0].command and result.processes[0].environment == {"MODE": "grouped"}
    assert not any("__ns" in word for word in result.processes[1].command) and result.processes[1].environment == {}
    assert result.processes[1].required and result.messages == ("inner outer",)
    assert [p.name for p in plan(package, body, extra="True").processes] == ["a", "b", "outer"]


@pytest.mark.parametrize(("body", "values", "expected"), [
    ('<arg name="a" default="1"/>', {"b": "1"}, "unknown launch argument 'b'; allowed are: a"),
    ('<arg name="a" description="what it is"/>', {}, "launch argument 'a' must be given: a:=...  (what it is)"),
    ('<arg name="a"><choice value="x"/></arg>', {"a": "y"}, "launch argument a is 'y', allowed are: 'x'"),
    ('<arg name="a" default="y"><choice value="x"/></arg>', {}, ":2: <arg>: a is 'y', allowed are: 'x'"),
    ('\n<timer period="1"/>', {}, ":3: <timer>: not supported inside <launch>; allowed are: arg,"),
    ('<node pkg="robot" exec="node" launch-prefix="gdb"/>', {}, ":2: <node>: attribute 'launch-prefix' is not supported"),
    ('<node pkg="robot"/>', {}, ":2: <node>: attribute 'exec' is missing"),
    ('<node pkg="nobody" exec="node"/>', {}, "package 'nobody' not found in AMENT_PREFIX_PATH"),
    ('<node pkg="robot" exec="nothing"/>', {}, "package 'robot' has no executable 'nothing'; it has: node"),
    ('<node pkg="robot" exec="node" on_exit="restart"/>', {}, "on_exit is 'restart', allowed is: shutdown"),
    ('<node pkg="robot" exec="node" if="maybe"/>', {}, "if: condition is 'maybe', allowed are true, 1, false, 0"),
    ('<node pkg="robot" exec="node"><param name="p" value="x" type="int"/></node>', {}, ":2: <param>: p is 'x', which is no int"),
    ('<node pkg="robot" exec="node"><param name="p" value="nan" type="float"/></node>', {}, "p is 'nan', which is no float"),
    (f'<arg name="mine"/>{OF_MINE}', {"mine": "x"}, "launch argument mine is 'x', which is no int"),
    (f'<arg name="mine" default="x"/>{OF_MINE}', {}, ":2: <param>: p is 'x', which is no int"),
    (f'<arg name="mine"/><let name="mine" value="y"/>{OF_MINE}', {"mine": "x"}, ":2: <param>: p is 'y', which is no int"),
    ('<arg name="mine"/><node pkg="robot" exec="node" if="$(var mine)"/>', {"mine": "x"}, "launch argument mine is 'x', "),
    ('<log message="$(var gone)"/>', {}, "$(var gone): no such argument or variable; there are: none"),
    ('<log message="$(eval 1+1)"/>', {}, "$(eval ...) is not supported here; allowed are: dirname, env,"),
    ('<include file="$(dirname)/gone.launch.xml"/>', {}, "gone.launch.xml: cannot be read: No such file"),
    ("<node>", {}, "not well-formed XML: mismatched tag"),
    ("hello", {}, "text between tags is not allowed: 'hello'"),
])
def test_what_is_refused(package, body, values, expected):
    with pytest.raises(LaunchError) as caught:
        plan(package, body, **values)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(expected) or not expected.startswith("launch argument"), "no place in a file"


@pytest.mark.parametrize(("text", "expected"), [
    ("$(var a)-$(var $(var name))", "1-1"),
    ("$(env HOME_ 'no home')", "no home"),
    ("$(var missing default)", "default"),
    (r"\$(var a)", "$(var a)"),
    ("$(not $(var yes))", "false"),
    ("$(not-equals $(var yes) 1) $(not-equals 1.0 1)", "false false"),
    ("$(not-equals $(var a) none) $(not-equals none none)", "true false"),
    ("cost: 5$", "cost: 5$"),
])
def test_substitutions(text, expected):
    variables = {"a": "1", "name": "a", "yes": "TRUE"}
    assert Substituter(Path("/x/y.xml"), variables, {}).expand(text) == expected


@pytest.mark.parametrize("text", ["$(var a", "$(var)", "$(var a b c)", "$(env 'a)", "$()"])
def test_malformed_substitutions(text):
    with pytest.raises(SubstitutionError):
        Substituter(Path("/x/y.xml"), {"a": "1"}, {}).expand(text)


@pytest.mark.parametrize("path", sorted(LAUNCH.glob("*.launch.xml")), ids=lambda path: path.name)
def test_shipped_launch_files_describe_every_argument(path):
    for argument in arguments_of(path):
        assert argument.description.endswith("."), argument.name


def test_the_arguments_of_the_simulator():
    assert {a.name for a in arguments_of(SIM)} >= {"card", "task", "checkpoint", "seed", "use_sim_time", "rule", "autostart"}


def test_the_shipped_launch_file_evaluates_against_the_installed_packages():
    processes = plan_launch(SIM, {"seed": "7", "namespace": "cell", "use_sim_time": "true"}).processes
    assert [p.name for p in processes] == ["sim", "controller", "policy"]
    assert all(p.required and "__ns:=/cell" in p.command for p in processes)
    assert "seed:=7" in processes[0].command and "use_sim_time:=true" in processes[1].command
    assert [p.name for p in plan_launch(SIM, {"policy": "false"}).processes] == ["sim", "controller"]
    shadow = plan_launch(SIM, {"shadow": "/path/b.safetensors"}).processes[-1]
    assert shadow.name == "shadow" and not shadow.required and 'checkpoint:="/path/b.safetensors"' in shadow.command


def test_the_launch_file_for_arms_moves_nothing_unless_told_to():
    defaults = {a.name: a.default for a in arguments_of(REAL)}
    assert defaults["dry_run"] == "true" and defaults["speed_scale"] == "0.1" and defaults["mock"] == "false"
    assert defaults["card"] is None and defaults["model"] == "" == defaults["checkpoint"]


def test_the_launch_file_for_arms_evaluates_against_the_installed_packages():
    plain = plan_launch(REAL, {"card": "/cell.yaml", "checkpoint": "/policy.safetensors", "namespace": "cell"}).processes
    assert [p.name for p in plain] == ["controller", "policy"]
    assert all(p.required and "__ns:=/cell" in p.command and "use_sim_time:=false" in p.command for p in plain)
    assert {"dry_run:=true", "speed_scale:=0.1", 'model:=""', 'card:="/cell.yaml"'} <= set(plain[0].command)
    values = {"card": "/cell.yaml", "model": "/arm.urdf", "policy": "false", "dry_run": "false", "speed_scale": "1"}
    mocked = plan_launch(REAL, {**values, "mock": "true"}).processes
    assert [p.name for p in mocked] == ["mock", "controller"]
    assert {"dry_run:=false", "speed_scale:=1.0", 'model:="/arm.urdf"'} <= set(mocked[1].command)
    assert 'model:="/arm.urdf"' in mocked[0].command and 'rule:=""' in mocked[0].command
    wrong = plan_launch(REAL, {**values, "mock": "true", "rule": "splice"}).processes
    assert 'rule:="splice"' in wrong[0].command and not any("rule" in word for word in wrong[1].command)


def test_the_nodes_for_arms_follow_a_played_clock_where_told_to():
    given = {"card": "/cell.yaml", "checkpoint": "/policy.safetensors", "shadow": "/other.safetensors", "record": "true"}
    for told, follow in (({}, False), ({"use_sim_time": "true"}, True)):
        *nodes, recorder = plan_launch(REAL, {**given, **told}).processes
        assert [p.name for p in nodes] == ["controller", "policy", "shadow"]
        assert all(f"use_sim_time:={str(follow).lower()}" in p.command for p in nodes)
        assert "use_sim_time:=false" in recorder.command, "a bag's receive times are those of the wall"


def test_the_strategy_reaches_the_controller_and_its_choices_are_the_controllers():
    for path, card in ((SIM, {}), (REAL, {"card": "/cell.yaml"})):
        argument = next(a for a in arguments_of(path) if a.name == "strategy")
        assert set(argument.choices) == set(STRATEGIES) and argument.default == "receding_horizon"
        processes = plan_launch(path, {**card, "policy": "false", "strategy": "committed_prefix"}).processes
        assert 'strategy:="committed_prefix"' in processes[-1].command


def test_how_images_are_recorded_reaches_the_recorder_and_its_choices_are_the_recorders():
    for path, card in ((SIM, {}), (REAL, {"card": "/cell.yaml"})):
        arguments = {a.name: a for a in arguments_of(path)}
        assert tuple(arguments["record_images"].choices) == IMAGES
        assert tuple(arguments["record_compression"].choices) == COMPRESSIONS
        assert arguments["record_jpeg_quality"].default == str(QUALITY)
        given = {"record": "true", "record_images": "jpeg", "record_jpeg_quality": "83", "record_compression": "zstd"}
        recorder = plan_launch(path, {**card, "policy": "false", **given}).processes[-1]
        assert {'images:="jpeg"', "jpeg_quality:=83", 'compression:="zstd"'} <= set(recorder.command)
        plain = plan_launch(path, {**card, "policy": "false", "record": "true"}).processes[-1]
        assert {'images:="raw"', 'compression:="none"'} <= set(plain.command)
