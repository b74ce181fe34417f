"""The contract also runs beside a remote policy: it stays light, and free of ROS outside one folder."""

import subprocess
import sys
from pathlib import Path

import vla_contract

PROGRAM = """
import importlib, pathlib, sys
sys.path.insert(0, sys.argv[1])
for path in pathlib.Path(sys.argv[1], "vla_contract").glob("*.py"):
    importlib.import_module(f"vla_contract.{path.stem}".removesuffix(".__init__"))
heavy = {"rclpy", "vla_msgs", "sensor_msgs", "cv2", "torch", "mujoco", "pinocchio", "scipy"} & set(sys.modules)
print(",".join(sorted(heavy)))
"""


def test_logic_imports_neither_ros_nor_anything_heavy():
    folder = str(Path(vla_contract.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
