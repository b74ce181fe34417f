"""`from vla_motion import RobotModel` works, and `import vla_motion` by itself stays light."""

import subprocess
import sys

import pytest

import vla_motion


@pytest.mark.parametrize("name", vla_motion.__all__)
def test_every_public_name_is_there(name):
    assert getattr(vla_motion, name).__module__.startswith("vla_motion."), name
    assert name in dir(vla_motion)


def test_another_name_is_refused_with_those_there_are():
    with pytest.raises(AttributeError, match="'RobotModels'.*RobotModel"):
        _ = vla_motion.RobotModels


def test_importing_the_package_brings_in_nothing_heavy():
    heavy = ("numpy", "numba", "pinocchio", "coal", "scipy", "mujoco", "vla_contract", "rclpy", "cv2")
    code = f"import sys, vla_motion; print(*(name for name in {heavy} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    base = subprocess.run(  # what the environment itself imports when Python starts does not count
        [sys.executable, "-c", code.replace(", vla_motion", "")], capture_output=True, text=True, check=True
    )
    assert set(run.stdout.split()) == set(base.stdout.split())
