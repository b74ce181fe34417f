"""What the tests of several packages share: the default card, its arm, made-up streams and an untrained checkpoint."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("PYTHONFAULTHANDLER", "1")  # of every process that a test starts
os.environ.setdefault("VLA_DOMAINS", "1-89")  # of every graph that a test starts; test_domains counts on the others being free

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.card import InterfaceCard, load_card


@pytest.fixture(scope="session", autouse=True)
def lane():
    """Commands without a graph of their own look for one where there is none: neither another lane's, nor that of an arm on the
    bench. 215 to 232 are beyond the ports that the operating system hands out, and `free_domain` gives none of them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    number = int(worker.removeprefix("gw")) % 8 if worker else 8 + os.getpid() % 10
    os.environ["ROS_DOMAIN_ID"] = str(215 + number)


@pytest.fixture(autouse=True)
def kept_domain(lane):
    """The next test is not left in the domain of a graph that this one started."""
    kept = os.environ["ROS_DOMAIN_ID"]
    yield
    os.environ["ROS_DOMAIN_ID"] = kept


@pytest.fixture(scope="session")
def card() -> InterfaceCard:
    return load_card(CARD)


@pytest.fixture(scope="session")
def model(card):
    """The arm of the simulator, from its URDF."""
    from vla_motion.model import RobotModel
    from vla_sim.urdf import robot_urdf

    arm = card.arms[0]
    return RobotModel.from_urdf(robot_urdf(), list(arm.joints), arm.tool_frame, arm.base_frame)


@pytest.fixture
def make_image():
    """Makes (224, 224, 3) images with content, each different."""

    def make(seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (224, 224, 3), dtype=np.uint8)

    return make


TROUBLE = '''
import numpy as np
from vla_policy.policy import Decision

class Policy:
    def __init__(self, card): self.card = card
    def reset(self): pass
    def infer(self, observation, ask): return Decision(np.full((self.card.action.horizon, self.card.action_dim), np.nan))

class Failing(Policy):
    def infer(self, observation, ask): raise RuntimeError("the server\\nhung up")

class Bare(Policy):
    def infer(self, observation, ask): return np.zeros((self.card.action.horizon, self.card.action_dim))

class WithInfo(Policy):
    @property
    def info(self):
        from vla_policy.describing import info_of_card
        return info_of_card(self.card, policy="mine", head="of its own")

class WithWarmUp(Policy):
    def warm_up(self): return 42

class Picky(Policy):
    def check_instruction(self, text):
        if "please" not in text: raise TypeError("say please")

class Cold(Policy):
    def warm_up(self): raise TimeoutError()

def open_policy(rest, card, how):
    if rest == "down": raise ConnectionRefusedError(111, "Connection refused")
    if rest == "exit": raise SystemExit("no licence")
    if rest == "none": return None
    if rest == "lacking": return type("Lacking", (), {"infer": Policy.infer})()
    return {"nan": Policy, "failing": Failing, "bare": Bare, "info": WithInfo, "warm": WithWarmUp, "cold": Cold,
            "picky": Picky}[rest](card)
'''


@pytest.fixture(scope="session")
def trouble(tmp_path_factory) -> Path:
    """A lab's own package with the policies `trouble:KIND`, as pip would leave it: to be put on the path of a process."""
    path = tmp_path_factory.mktemp("trouble")
    (path / "lab_trouble.py").write_text(TROUBLE)
    info = path / "lab_trouble-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-trouble\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vla.policies]\ntrouble = lab_trouble:open_policy\n")
    return path


@pytest.fixture(scope="session")
def tiny_checkpoint(card, tmp_path_factory) -> Path:
    """An untrained model for the card, with statistics of made-up data."""
    return _tiny(card, tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")


@pytest.fixture(scope="session")
def tiny_flow_checkpoint(card, tmp_path_factory) -> Path:
    """The same with a head that samples."""
    return _tiny(card, tmp_path_factory.mktemp("checkpoint") / "tiny_flow.safetensors", head="flow_matching")


def _tiny(card: InterfaceCard, path: Path, **options) -> Path:
    import torch

    from vla_policy.checkpoint import Checkpoint, save_checkpoint
    from vla_policy.native.config import ModelConfig
    from vla_policy.native.embodiment import Embodiment
    from vla_policy.native.vla import VlaModel

    random = np.random.default_rng(0)
    actions = random.normal(0, 0.01, (50, card.action.horizon, card.action_dim))
    actions[..., 6] = actions[..., 6] > 0
    config = ModelConfig(
        cameras=tuple(card.camera_names), state_dim=card.state_dim, action_dim=card.action_dim,
        horizon=card.action.horizon, width=32, attention_heads=2, layers=1, channels=8, bottleneck=4, queries=2, **options,
    )  # fmt: skip
    torch.manual_seed(0)
    embodiment = Embodiment.fit(card, random.normal(0, 1, (50, card.state_dim)), actions)
    save_checkpoint(Checkpoint(VlaModel(config).state_dict(), config, [embodiment], {"command": "none"}), path)
    return path
