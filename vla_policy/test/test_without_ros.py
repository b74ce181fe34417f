"""The library installed by pip, in an environment that has no ROS.

What this covers: the packages as `pip install` leaves them (entry points, shipped checkpoint, nothing that only a source tree or
colcon provides), in a fresh environment in which ROS packages cannot be imported. What it does not: the downloads. Libraries of
others come from the environment that runs the tests; that `install_requires` names them is compared with what is imported.
"""

import ast
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from shipped_paths import CARD

ROOT = CARD.parents[2]
LIBRARIES = ("vla_contract", "vla_motion", "vla_policy")
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "yaml": "PyYAML", "pinocchio": "pin"}
"""Where a module has another name than what pip installs."""
SCRIPT = """
import sys

FORBIDDEN = ("rclpy", "rosidl", "ament", "rpyutils", "rcl_interfaces", "builtin_interfaces")

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top.endswith("_msgs") or top.startswith(FORBIDDEN):
            raise ImportError(f"{name} is ROS")

sys.meta_path.insert(0, NoRos())
import vla_policy
assert not {"torch", "numpy", "rclpy"} & set(sys.modules), "importing the library alone imports nothing"
assert vla_policy.__file__.startswith(sys.prefix), vla_policy.__file__
for name in vla_policy.__all__:
    assert getattr(vla_policy, name) is not None

import numpy as np
import vla_motion.model
from vla_contract.card import load_card
from vla_contract.observation import VLAObservation
from vla_contract.shipped import find_checkpoint
from vla_policy import NOTHING_ASKED, Opening, load_policy

card = load_card(sys.argv[1])
file = find_checkpoint("panda_tabletop")
assert str(file).startswith(sys.prefix), file
policy = load_policy(file, card, Opening(threads=1))
policy.warm_up()
images = {c.name: np.full((c.height, c.width, 3), 90, np.uint8) for c in card.cameras}
seen = VLAObservation(
    0, images, dict.fromkeys(images, 0), np.zeros(card.state_dim), tuple(card.state.fields), 0, card.tasks[0].instructions()[0]
)
actions = policy.infer(seen, NOTHING_ASKED).actions
assert actions.shape == (card.action.horizon, card.action_dim) and np.isfinite(actions).all()
print("inferred", policy.info.policy, policy.info.head, sorted(m for m in sys.modules if m.startswith("rclpy")))
"""


@pytest.mark.timeout(400)
def test_pip_installs_what_opens_the_shipped_checkpoint_and_infers(tmp_path):
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    site = Path(subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True).strip())  # fmt: skip
    built = (str(ROOT / "install"), str(ROOT / "build"))
    others = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages") and not p.startswith(built)]
    (site / "others.pth").write_text("\n".join(others) + "\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "AMENT", "COLCON", "ROS"))}
    copies = []
    for package in LIBRARIES:  # pip writes build folders beside setup.py
        copy = tmp_path / "sources" / package
        copied = ["cp", "-rL", str(ROOT / package), str(copy)]
        copy.parent.mkdir(exist_ok=True)
        subprocess.run(copied, check=True)
        copies.append(str(copy))
    pip = [python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    installed = subprocess.run([*pip, "-q", *copies], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    ran = subprocess.run([python, "-c", SCRIPT, str(CARD)], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "inferred native regression []"


@pytest.mark.parametrize("package", LIBRARIES)
def test_what_a_library_imports_is_what_it_asks_pip_for(package):
    asked = {_plain(re.split(r"[<>=!~;\[ ]", name)[0]) for name in _install_requires(ROOT / package / "setup.py")}
    for path in sorted((ROOT / package / package).rglob("*.py")):
        if "ros" in path.relative_to(ROOT / package).parts:
            continue
        for module in _imports(path):
            if module in sys.stdlib_module_names or module in (package, "mujoco"):  # mujoco: only to read its models
                continue
            assert _plain(DISTRIBUTIONS.get(module, module)) in asked, f"{path}: {module} is not among {sorted(asked)}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    found = set()
    for node in tree:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def _install_requires(setup: Path) -> list[str]:
    for node in ast.walk(ast.parse(setup.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            return ast.literal_eval(node.value)
    return []
