import sys
from pathlib import Path

import pytest

from vla_contract.card import InterfaceCard, load_card
from vla_motion.model import RobotModel
from vla_sim.urdf import robot_urdf

sys.path.insert(0, str(Path(__file__).parent))  # helper modules beside the tests

from eval_paths import CARD


@pytest.fixture(scope="session")
def card() -> InterfaceCard:
    return load_card(CARD)


@pytest.fixture(scope="session")
def model(card) -> RobotModel:
    """The arm of the simulator, from its URDF."""
    arm = card.arms[0]
    return RobotModel.from_urdf(robot_urdf(), list(arm.joints), arm.tool_frame, arm.base_frame)
