"""The cards that we ship load, and the default one is the cell that the checkpoint was trained for."""

from pathlib import Path

import pytest

from vla_contract.card import load_card

CARDS = sorted((Path(__file__).parents[1] / "cards").glob("*.yaml"))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_shipped_card_loads_under_its_own_name(path):
    assert load_card(path).name == path.stem


def test_the_default_cell():
    card = load_card(Path(__file__).parents[1] / "cards" / "panda_tabletop.yaml")
    assert card.camera_names == ["front", "wrist"]
    assert card.state.fields == [*(f"panda_joint{i}.position" for i in range(1, 8)), "panda_finger_joint1.position"]
    assert card.action.space == "EE_DELTA" and card.gripper_columns == [6]
    assert [task.name for task in card.tasks] == ["pick", "place_in_bowl", "cup_on_coaster", "stack"]
    sentences = card.task("pick").instructions()
    assert all(sum(colour in sentence for sentence in sentences) >= 10 for colour in card.task("pick").slots["color"])
    everything = [sentence for task in card.tasks for sentence in task.instructions()]
    assert len(set(everything)) == len(everything)
