import sys
from pathlib import Path

import pytest

from vla_contract.card import InterfaceCard, load_card

sys.path.insert(0, str(Path(__file__).parent))  # helper modules beside the tests

from eval_paths import CARD


@pytest.fixture(scope="session")
def card() -> InterfaceCard:
    return load_card(CARD)
