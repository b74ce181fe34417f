"""The robot descriptions that we ship: the makers' kinematics, the cards' frames and limits, and a home free of contact."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from vla_contract.card import load_card
from vla_motion.collision import MARGIN, CollisionModel
from vla_motion.model import RobotModel
from vla_sim.urdf import robot_urdf

SHARE = Path(__file__).parents[1]
ROBOTS = sorted(path.stem for path in (SHARE / "robots").glob("*.urdf"))


def arm_of(robot: str):
    return load_card(SHARE / "cards" / f"{robot}.yaml").arms[0]


def model_of(robot: str, tool: str | None = None, base: str | None = None) -> RobotModel:
    arm = arm_of(robot)
    path = SHARE / "robots" / f"{robot}.urdf"
    return RobotModel.from_urdf(path, arm.joints, tool or arm.tool_frame, base or arm.base_frame)


def turn(axis: str, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    T = np.eye(4)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    T[i, i], T[i, j], T[j, i], T[j, j] = c, -s, s, c
    return T


def shift(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


def fr3_flange(q: np.ndarray) -> np.ndarray:
    """T_link0_flange by the modified Denavit-Hartenberg table of Franka's documentation."""
    half = math.pi / 2
    table = [(0, 0.333, 0), (0, 0, -half), (0, 0.316, half), (0.0825, 0, half)]
    table += [(-0.0825, 0.384, -half), (0, 0, half), (0.088, 0, half)]
    T = np.eye(4)
    for (a, d, alpha), angle in zip(table, q):
        T = T @ turn("x", alpha) @ shift(x=a) @ turn("z", angle) @ shift(z=d)
    return T @ shift(z=0.107)


def ur5e_flange(q: np.ndarray) -> np.ndarray:
    """T_base_flange by the Denavit-Hartenberg table that Universal Robots publishes, in the teach pendant's base frame."""
    half = math.pi / 2
    table = [(0, 0.1625, half), (-0.425, 0, 0), (-0.3922, 0, 0), (0, 0.1333, half), (0, 0.0997, -half), (0, 0.0996, 0)]
    T = np.eye(4)
    for (a, d, alpha), angle in zip(table, q):
        T = T @ turn("z", angle) @ shift(z=d) @ shift(x=a) @ turn("x", alpha)
    return T


def wx250s_tool(q: np.ndarray) -> np.ndarray:
    """T_base_tool as a product of turns about the joints' axes where they lie at 0, and the tool's pose at 0."""
    points = [(0, 0, 0), (0, 0, 0.11065), (0.04975, 0, 0.36065), (0, 0, 0.36065), (0.29975, 0, 0.36065), (0, 0, 0.36065)]
    T = np.eye(4)
    for axis, point, angle in zip("zyyxyx", points, q):
        T = T @ shift(*point) @ turn(axis, angle) @ shift(*(-np.array(point)))
    return T @ shift(0.458325, 0, 0.36065)


@pytest.mark.parametrize(
    ("robot", "base", "tool", "published", "tolerance"),
    [
        ("fr3", "fr3_link0", "fr3_link8", fr3_flange, 1e-8),
        ("ur5e", "base_link_inertia", "tool0", ur5e_flange, 1e-8),
        ("wx250s", "wx250s/base_link", "wx250s/ee_gripper_link", wx250s_tool, 1e-8),
    ],
)
def test_forward_kinematics_are_the_makers(robot, base, tool, published, tolerance):
    model, arm = model_of(robot, tool, base), arm_of(robot)
    rng = np.random.default_rng(3)
    for q in rng.uniform(arm.limits.position_lower, arm.limits.position_upper, (50, len(arm.joints))):
        np.testing.assert_allclose(model.forward(q), published(q), atol=tolerance)


def test_known_poses():
    ready = model_of("fr3").forward(np.array(arm_of("fr3").home))
    np.testing.assert_allclose(ready[:3, 3], [0.3069, 0.0, 0.4869], atol=1e-4)  # Franka's ready pose, the hand's frame
    # The base frame of ROS looks to the front, half a turn from the teach pendant's.
    stretched = model_of("ur5e", "tool0").forward(np.zeros(6))
    np.testing.assert_allclose(stretched[:3, 3], [0.8172, 0.2329, 0.0628], atol=1e-9)
    np.testing.assert_allclose(model_of("wx250s").forward(np.zeros(6))[:3, 3], [0.458325, 0.0, 0.36065], atol=1e-9)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_tool_at_home_is_inside_the_box_and_can_move_in_every_direction(robot):
    arm, model = arm_of(robot), model_of(robot)
    home = np.array(arm.home)
    position = model.forward(home)[:3, 3]
    room = np.minimum(position - arm.limits.workspace_min, arm.limits.workspace_max - position)
    assert np.all(room > 0.04)
    assert np.linalg.svd(model.jacobian(home))[1].min() > 0.05
    assert np.all(home - arm.limits.position_lower > 0.2) and np.all(arm.limits.position_upper - home > 0.2)


@pytest.mark.parametrize("robot", ROBOTS)
def test_home_is_free_of_contact_and_most_of_the_box_too(robot):
    arm, model = arm_of(robot), model_of(robot)
    collision = CollisionModel.from_description(
        SHARE / "robots" / f"{robot}.urdf", model, self_collision=True, table_height=arm.limits.collision.table_height
    )
    assert collision.ignored_pairs == (), "pairs that touch wherever the arm is go unchecked: none"
    assert collision.minimum_distance(np.array(arm.home)).distance > MARGIN
    near_home = np.array(arm.home) + np.random.default_rng(5).uniform(-0.4, 0.4, (100, len(arm.joints)))
    free = [collision.minimum_distance(q).distance > MARGIN for q in near_home]
    assert np.mean(free) > 0.9


@pytest.mark.parametrize(
    ("robot", "q", "pair"),
    [
        ("fr3", [0.0, 1.5, 0.0, -2.7, 0.0, 2.2, 0.8], ("fr3_hand", "table")),
        ("ur5e", [0.0, -1.0, 3.0, -1.5708, -1.5708, 0.0], ("shoulder_link", "forearm_link")),
        ("wx250s", [0.0, -1.8, 1.6, 0.0, 1.9, 0.0], ("wx250s/base_link", "wx250s/upper_arm_link")),
    ],
)
def test_what_touches_is_found(robot, q, pair):
    arm = arm_of(robot)
    collision = CollisionModel.from_description(
        SHARE / "robots" / f"{robot}.urdf", model_of(robot), self_collision=True, table_height=0.0
    )
    assert pair in collision.body_pairs
    assert np.all(np.array(q) >= arm.limits.position_lower) and np.all(np.array(q) <= arm.limits.position_upper)
    assert collision.minimum_distance(np.array(q)).distance < 0.0


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_description_has_the_cards_names_and_allows_what_the_card_allows(robot):
    arm, model = arm_of(robot), model_of(robot)
    limits = arm.limits
    assert model.joints == tuple(arm.joints)
    assert np.all(model.lower <= np.array(limits.position_lower) + 1e-4)
    assert np.all(model.upper >= np.array(limits.position_upper) - 1e-4)
    assert np.all(model.velocity >= np.array(limits.velocity) - 1e-4)
    joints = {joint.get("name"): joint for joint in ElementTree.parse(SHARE / "robots" / f"{robot}.urdf").iter("joint")}
    finger = joints[arm.gripper.joint].find("limit")
    for position in (arm.gripper.open_position, arm.gripper.closed_position):
        assert float(finger.get("lower")) <= position <= float(finger.get("upper"))


def test_the_franka_card_stays_where_its_speeds_are_allowed():
    """The arm's speed limit falls towards the end stops, v(q) = -c + sqrt(k (q_end - q)), by Franka's documentation."""
    limits = arm_of("fr3").limits
    v_max = [2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26]
    c, k = np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35]), np.array([12.0, 5.17, 7.0, 8.0, 34.0, 11.0, 34.0])
    above = np.array([2.7501, 1.7918, 2.9065, -0.1458, 2.8101, 4.5205, 3.0196])
    below = np.array([-2.7501, -1.7918, -2.9065, -3.0481, -2.8101, 0.54092, -3.0196])
    at_upper = np.minimum(v_max, np.sqrt(k * (above - limits.position_upper)) - c)
    at_lower = np.minimum(v_max, np.sqrt(k * (np.array(limits.position_lower) - below)) - c)
    assert np.all(np.array(limits.velocity) <= at_upper + 1e-3) and np.all(np.array(limits.velocity) <= at_lower + 1e-3)


def test_the_shipped_panda_is_the_simulators():
    shipped = ElementTree.parse(SHARE / "robots" / "panda_tabletop.urdf").getroot()
    assert ElementTree.tostring(shipped) == ElementTree.tostring(ElementTree.fromstring(robot_urdf()))
