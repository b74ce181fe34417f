"""What a replay finds beside the bag: kinematics of the bag, of the user, or of a robot that ships."""

import numpy as np
import pytest
from shipped_paths import CARD

from vla_bags.reader import Bag
from vla_bench.speed.replay import BagDraft
from vla_contract.card import load_card, parse_card
from vla_motion.model import ModelError
from vla_replay.offline.inputs import find_models


@pytest.fixture
def bag(card, tmp_path):
    """Without a robot description."""
    with BagDraft(tmp_path / "bag", card):
        pass
    with Bag(tmp_path / "bag") as opened:
        yield opened


@pytest.mark.parametrize("name", ["panda_tabletop", "fr3", "ur5e", "wx250s"])
def test_without_a_description_the_shipped_robot_with_the_cards_joints_is_taken(bag, name):
    card = load_card(CARD.with_name(f"{name}.yaml"))
    models, source = find_models(bag, card, None)
    assert [model.joints for model in models] == [tuple(arm.joints) for arm in card.arms]
    assert source.startswith(f"{name}.urdf")


def test_the_shipped_panda_is_the_simulators_to_the_bit(bag, card, model):
    (found,), _ = find_models(bag, card, None)
    for q in np.random.default_rng(0).uniform(model.lower, model.upper, (20, 7)):
        np.testing.assert_array_equal(found.forward(q), model.forward(q))


def test_an_arm_that_nobody_describes_has_no_model(bag):
    card = parse_card(CARD.read_text().replace("panda_", "another_"), source="another arm")
    models, why = find_models(bag, card, None)
    assert models == [] and why == "no robot_description in the bag; give one with --model"


def test_a_description_that_the_user_gives_has_to_fit(bag, card, tmp_path):
    (tmp_path / "other.urdf").write_text('<robot name="other"><link name="base"/></robot>')
    with pytest.raises(ModelError):
        find_models(bag, card, tmp_path / "other.urdf")
