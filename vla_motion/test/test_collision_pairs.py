"""Which pairs are left out of the checks, why, and how often they touch: never because a description says so."""

import collision_panda
import numpy as np
import panda
import pytest

from vla_motion.collision import CollisionModel
from vla_motion.collision_unchecked import Why, unchecked_pairs
from vla_motion.model import RobotModel

# a ball on the base, and a ball on the third link that a slide moves from it: they touch below 0.3 m of its stroke
SLIDE = """<mujoco><compiler angle="radian"/><worldbody><body name="base"><geom type="sphere" size="0.1"/>
<body name="a"><joint name="j1" axis="0 0 1" range="-3 3"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<body name="b"><joint name="j2" type="slide" axis="1 0 0" range="{stroke}"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<body name="c"><joint name="j3" axis="0 1 0" range="-1 1"/><geom type="sphere" size="0.2"/><site name="tool"/>
</body></body></body></body></worldbody>{contact}</mujoco>"""
EXCLUDE = '<contact><exclude body1="base" body2="c"/></contact>'


def slide(stroke: str = "0 2", contact: str = EXCLUDE) -> tuple[str, RobotModel]:
    text = SLIDE.format(stroke=stroke, contact=contact)
    return text, RobotModel.from_mjcf(text, ["j1", "j2", "j3"], "tool", "base")


def checked(text: str, model: RobotModel) -> CollisionModel:
    return CollisionModel.from_description(text, model, self_collision=True, table_height=None)


def panda_pairs(extra: str = "", table_height=None) -> dict:
    text = collision_panda.mjcf(extra)
    model = RobotModel.from_mjcf(text, panda.JOINTS, "panda_tool", "panda_link0")
    return {(p.first, p.second): p for p in unchecked_pairs(text, model, table_height=table_height, count=500)}


def test_a_file_that_excludes_a_pair_does_not_hide_it():
    text, model = slide()
    collision = checked(text, model)
    assert collision.body_pairs == (("base", "c"),) and collision.ignored_pairs == ()
    assert collision.minimum_distance(np.array([0.0, 0.25, 0.0])).distance == pytest.approx(-0.05, abs=1e-5)
    assert not collision.edge_free(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.2, 0.0]))


def test_an_exclusion_that_is_not_followed_is_told_with_the_share_in_which_the_two_touch():
    (pair,) = unchecked_pairs(*slide())
    assert (pair.first, pair.second, pair.why, pair.excluded, pair.unchecked) == ("base", "c", None, True, 0)
    assert pair.share == pytest.approx(0.15, abs=0.02) and pair.unseen == 0.0  # 0.3 of 2 m
    assert unchecked_pairs(*slide(contact="")) == []


def test_what_touches_everywhere_but_at_one_end_is_looked_at():
    """A share of touching postures so near to 1 that few even draws would not tell it from 1."""
    text, model = slide("0 0.3003", "")
    assert checked(text, model).body_pairs == (("base", "c"),)
    text, model = slide("0 0.2997", EXCLUDE)
    assert checked(text, model).ignored_pairs == (("base", "c"),)
    (pair,) = unchecked_pairs(text, model)
    assert (pair.why, pair.excluded, pair.unchecked, pair.shapes, pair.share) == (Why.ALWAYS_TOUCHING, True, 1, 1, 1.0)


def test_what_is_never_as_far_apart_as_the_margin_but_does_not_touch_is_looked_at_and_may_move():
    """Two balls, one on the axis of the joint that turns the other, 1 mm apart; a third swings into the first."""
    text = SLIDE.format(stroke="0.301 2", contact="").replace(
        '<geom type="sphere" size="0.2"/>', '<geom type="sphere" size="0.2"/><geom type="sphere" size="0.2" pos="-0.1 0 0.1"/>'
    )
    model = RobotModel.from_mjcf(text, ["j1", "j2", "j3"], "tool", "base")
    collision = checked(text, model)
    assert collision.ignored_pairs == () and collision.minimum_distance(np.array([0.0, 0.301, -0.9])).distance < 0.0
    away = np.array([0.0, 0.301, 0.9])
    turned = away + [1.0, 0.0, 0.0]
    assert collision.minimum_distance(away).distance == pytest.approx(0.001, abs=1e-5)
    assert collision.edge_free(away, turned), "as near as it began, which is nearer than the margin"
    assert not collision.edge_free(away, np.array([0.0, 0.301, -0.9]))


def test_links_that_meet_in_a_joint_and_those_that_never_move_are_told_apart():
    pairs = panda_pairs(table_height=0.0)
    of = {why: {names for names, pair in pairs.items() if pair.why is why} for why in Why}
    links = [f"panda_link{i}" for i in range(8)]
    assert of[Why.ADJACENT] == {*zip(links, links[1:]), ("panda_link6", "panda_hand")}
    assert of[Why.FIXED] == {("panda_link7", "panda_hand"), ("panda_link0", "table"), ("panda_link1", "table")}
    assert of[Why.ALWAYS_TOUCHING] == set() == of[Why.NOT_THE_ARM]
    assert pairs["panda_link0", "panda_link1"].share == pairs["panda_link7", "panda_hand"].share == 1.0


def test_of_neighbours_the_contacts_that_come_and_go_unseen_are_told_beside_those_that_always_are():
    """A ball in the joint of its neighbour, and one on a stalk that swings past another."""
    text = """<mujoco><compiler angle="radian"/><worldbody><body name="base"><geom type="sphere" size="0.1"/>
<geom type="sphere" size="0.1" pos="1 0 0"/><body name="a"><joint name="j" axis="0 0 1" range="-2 2"/>
<geom type="sphere" size="0.1"/><geom type="sphere" size="0.1" pos="1 0 0"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<site name="tool"/></body></body></worldbody></mujoco>"""
    (pair,) = unchecked_pairs(text, RobotModel.from_mjcf(text, ["j"], "tool", "base"))
    assert (pair.why, pair.unchecked, pair.shapes, pair.share) == (Why.ADJACENT, 4, 4, 1.0)
    assert pair.unseen == pytest.approx(2.0 * np.arcsin(0.1) / 2.0, abs=0.02)  # 0.2 m of chord, of 2 rad to either side


def test_of_bodies_with_some_shapes_never_apart_the_others_are_looked_at():
    collar = '<geom type="sphere" pos="0 0 0" size="0.12"/>'
    text = collision_panda.mjcf().replace(collision_panda._GEOMS[5], collision_panda._GEOMS[5] + collar)
    model = RobotModel.from_mjcf(text, panda.JOINTS, "panda_tool", "panda_link0")
    pairs = {(p.first, p.second): p for p in unchecked_pairs(text, model, count=200)}
    pair = pairs["panda_link5", "panda_link7"]
    assert (pair.why, pair.unchecked, pair.shapes, pair.share) == (Why.ALWAYS_TOUCHING, 1, 2, 1.0)
    assert ("panda_link5", "panda_link7") in checked(text, model).body_pairs


def test_exclusions_of_fingers_and_scene_are_told_as_such():
    exclude = '<contact><exclude body1="panda_hand" body2="finger"/><exclude body1="block" body2="panda_link0"/></contact>'
    pairs = panda_pairs(exclude)
    assert pairs["finger", "panda_hand"].why is pairs["block", "panda_link0"].why is Why.NOT_THE_ARM
    assert np.isnan(pairs["finger", "panda_hand"].share)


def test_the_same_shares_come_each_time():
    assert panda_pairs() == panda_pairs()
