"""The set-up scripts: what they mend, what they build again, and what they ask for."""

import sys
from pathlib import Path

import pytest

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
