"""`vla card check` lists the bodies that nothing holds apart, and the exclusions of a description that are not followed."""

import pytest
from shipped_paths import CARD, CARDS

from vla_bringup import cli
from vla_motion.collision_unchecked import BodyPair, Why
from vla_replay.preflight.self_contact import percent, to_do, words_of
from vla_sim.scene import robot_mjcf

EXCLUDED = (
    '<contact><exclude body1="panda_link5" body2="panda_hand"/><exclude body1="panda_link6" body2="panda_hand"/>'
    '<exclude body1="panda_link0" body2="panda_link2"/><exclude body1="panda_hand" body2="panda_leftfinger"/></contact></mujoco>'
)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def shown(capsys, *words: str) -> str:
    assert cli.main(["card", "check", *words]) == 0
    return capsys.readouterr().out


def line_with(text: str, *words: str) -> str:
    (line,) = [line for line in text.splitlines() if all(word in line for word in words) and "to do" not in line]
    return line


@pytest.mark.parametrize("robot", sorted(path.stem for path in CARDS.glob("*.yaml")))
def test_a_shipped_card_lists_the_pairs_of_its_shipped_arm(robot, capsys):
    text = shown(capsys, robot)
    assert f"{robot}: valid" in text and "not looked at: neighbours" in text
    assert "to do" not in text, "what ships asks for nothing"
    assert text.count("%") >= 5


def test_what_neighbours_do_unseen_is_told(capsys):
    """Link 6 of the FR3 is drawn into link 5 in the last quarter of its range, where the real arm is free."""
    text = shown(capsys, "fr3")
    unseen = {line.split("│")[1].strip(): line.split("│")[4].strip() for line in text.splitlines() if line.startswith("│")}
    assert 20.0 < float(unseen["fr3_link5, fr3_link6"].split()[0]) < 40.0 and unseen["fr3_link1, fr3_link2"] == "0.0 %"


def test_of_bodies_that_always_touch_in_part_the_part_is_told(tmp_path, capsys):
    path = tmp_path / "arm.xml"
    old = 'fromto="0 0.03 -0.12 0 0.0233 -0.04" size="0.046"'
    assert old in robot_mjcf()
    path.write_text(robot_mjcf().replace(old, old.replace("0.046", "0.09").replace("-0.04", "0")))
    line = line_with(shown(capsys, str(CARD), "--model", str(path)), "panda_link5, panda_link7")
    assert "of 4 shapes' pairs not looked at: touch in every posture" in line and "100.0 %" in line


def test_exclusions_that_are_not_followed_are_told_with_share_and_what_to_do(tmp_path, capsys):
    path = tmp_path / "arm.xml"
    path.write_text(robot_mjcf().replace("</mujoco>", EXCLUDED))
    text = shown(capsys, str(CARD), "--model", str(path))
    line = line_with(text, "panda_link5, panda_hand")
    assert "held apart: the file's exclusion is not followed" in line
    share = float(line.split("%")[0].split()[-1])
    assert 5.0 < share < 40.0
    assert f"to do: panda_link5 and panda_hand touch in {share} % of postures, and motion into those is refused" in text
    assert "excluded by the file, too" in line_with(text, "panda_link6, panda_hand")
    assert "to do: panda_link0 and panda_link2 were met in no posture: take the exclusion out" in text
    assert "no shape of the arm" in line_with(text, "panda_leftfinger")


def test_a_card_without_a_shipped_arm_says_what_it_needs(tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text(CARD.read_text())
    assert "not looked at without the arm's description: give one with --model" in shown(capsys, str(own))
    assert "panda_link5, panda_link6" in shown(capsys, str(own), "--model", "panda_tabletop")


def test_a_card_that_wants_no_such_checks_is_told_so(tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text(CARD.read_text().replace("self_collision: true", "self_collision: false"))
    assert "contact of the arm with itself is not checked" in shown(capsys, str(own), "--model", "panda_tabletop")


def test_a_description_of_another_arm_is_a_mistake_in_one_line(capsys):
    assert cli.main(["card", "check", "panda_tabletop", "--model", "ur5e"]) == cli.USER_ERROR
    assert "panda_joint1" in capsys.readouterr().err


@pytest.mark.parametrize(("share", "words"), [
    (0.0, "0.0 %"), (1e-5, "below 0.1 %"), (0.114, "11.4 %"), (0.9999, "above 99.9 %"), (1.0, "100.0 %"),
])  # fmt: skip
def test_a_share_is_not_rounded_to_none_or_all(share, words):
    assert percent(share) == words


def test_an_exclusion_that_agrees_asks_for_nothing():
    pair = BodyPair("a", "b", Why.ALWAYS_TOUCHING, True, 1, 1, 1.0, 0.0)
    assert to_do([pair]) == [] and words_of(pair).endswith("in every posture; excluded by the file, too")
