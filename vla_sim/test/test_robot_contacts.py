"""What of the simulated Panda touches itself: nothing at home, the hand and the forearm where they meet."""

import mujoco
import numpy as np
import pytest

from vla_sim.scene import robot_mjcf


@pytest.fixture(scope="module")
def robot():
    return mujoco.MjModel.from_xml_string(robot_mjcf())


def contacts(robot, q) -> set[tuple[str, str]]:
    """Bodies that MuJoCo has in contact at q (7,) [rad], the fingers at several openings, not closed."""
    data, found = mujoco.MjData(robot), set()
    for opening in np.linspace(0.002, 0.04, 5):
        data.qpos[[robot.joint(f"panda_joint{i}").qposadr[0] for i in range(1, 8)]] = q
        data.qpos[[robot.joint(f"panda_finger_joint{i}").qposadr[0] for i in (1, 2)]] = opening
        mujoco.mj_forward(robot, data)
        bodies = robot.geom_bodyid[data.contact.geom[data.contact.dist < 0.0]]
        found |= {tuple(sorted(robot.body(body).name for body in pair)) for pair in bodies}
    return found


def test_at_home_nothing_of_the_arm_touches_another_part_of_it(robot, card):
    home = np.array(card.arms[0].home)
    around = home + np.random.default_rng(0).uniform(-0.3, 0.3, (50, 7))
    assert [contacts(robot, q) for q in (home, *around)] == [set()] * 51


def test_the_hand_meets_the_forearm(robot, card):
    q = np.array([0.0, 0.8, 0.0, -1.4, 0.0, 0.25, -0.7854])
    assert ("panda_hand", "panda_link5") in contacts(robot, q)
    assert robot.nexclude == 0, "an exclusion hides contacts; MuJoCo leaves out neighbours by itself"
