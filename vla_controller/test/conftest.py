"""Lets the tests import the helper modules beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def rig():
    from cells import Rig

    return Rig()
