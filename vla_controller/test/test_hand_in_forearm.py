"""The Panda's hand is kept out of its forearm, which its description once excluded. MuJoCo tells how far apart they are."""

import mujoco
import numpy as np
import pytest
from cells import JOINTS, Rig, make_card
from curve import sample

from vla_contract.report import Phase, Verdict
from vla_motion import rotation
from vla_motion.model import RobotModel
from vla_sim.scene import robot_mjcf
from vla_sim.urdf import robot_urdf

CLEAR, INSIDE = (np.array([0.0, 0.8, 0.0, -1.4, 0.0, joint6, -0.7854]) for joint6 in (0.75, 0.25))
STEPS = 16
EXCLUDED = '<contact><exclude body1="panda_link5" body2="panda_hand"/></contact></mujoco>'
TEXTS = {
    "mjcf": robot_mjcf(),
    "mjcf that excludes the pair": robot_mjcf().replace("</mujoco>", EXCLUDED),
    "urdf": robot_urdf(),
}
WORLD = mujoco.MjModel.from_xml_string(robot_mjcf())
DATA = mujoco.MjData(WORLD)


def geoms(body: str) -> list[int]:
    return [g for g in range(WORLD.ngeom) if WORLD.body(WORLD.geom_bodyid[g]).name == body]


def apart(q) -> float:
    """Distance [m] between forearm and hand at q (7,) [rad]; negative: one is in the other."""
    DATA.qpos[[WORLD.joint(name).qposadr[0] for name in JOINTS]] = q
    mujoco.mj_kinematics(WORLD, DATA)
    pairs = [(a, b) for a in geoms("panda_link5") for b in geoms("panda_hand")]
    return min(mujoco.mj_geomDistance(WORLD, DATA, a, b, 1.0, np.zeros(6)) for a, b in pairs)


def chunk_to(q_end, model: RobotModel, space: str) -> np.ndarray:
    """Motion columns of a straight way in joint space from CLEAR to q_end."""
    way = CLEAR + np.linspace(0.0, 1.0, STEPS + 1)[:, None] * (q_end - CLEAR)
    if space == "JOINT_POSITION":
        return way[1:]
    poses = [np.array(model.forward(q)) for q in way]
    turns = [rotation.log(after[:3, :3] @ before[:3, :3].T) for before, after in zip(poses, poses[1:])]
    return np.array([np.r_[after[:3, 3] - before[:3, 3], turn] for before, after, turn in zip(poses, poses[1:], turns)])


def nearest(text: str, space: str, q_end) -> tuple[float, float, Rig]:
    """How near hand and forearm come in all that one chunk commands [m], and how far joint 6 turns [rad]."""
    read = RobotModel.from_urdf if "<robot" in text else RobotModel.from_mjcf
    model = read(text, JOINTS, "panda_tool", "panda_link0")
    rig = Rig(make_card(space), q=CLEAR, models=[model])
    rig.send(chunk_to(q_end, model, space))
    rig.run(2_500)
    commanded = [CLEAR]
    for message in rig.arm_messages:
        times = np.arange(message.stamp_ns, message.stamp_ns + int(message.times_ns[-1]) + 1, 10_000_000)
        commanded += [sample(message, int(t))[0] for t in times]
    return min(map(apart, commanded)), CLEAR[5] - min(q[5] for q in commanded), rig


def test_what_the_chunk_asks_for_is_a_contact():
    assert apart(CLEAR) > 0.015 and apart(INSIDE) < -0.015
    tool = RobotModel.from_mjcf(robot_mjcf(), JOINTS, "panda_tool", "panda_link0")
    for q in (CLEAR, INSIDE):
        position = tool.forward(q)[:3, 3]
        limits = make_card().arms[0].limits
        assert np.all(position > limits.workspace_min) and np.all(position < limits.workspace_max)


@pytest.mark.parametrize("space", ["JOINT_POSITION", "EE_DELTA"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_a_chunk_does_not_drive_the_hand_into_the_forearm(text, space):
    distance, _, rig = nearest(text, space, INSIDE)
    assert distance > 0.0
    closed = rig.of_phase(Phase.CLOSED) or rig.of_phase(Phase.SCHEDULED)
    assert closed[0].verdict is not Verdict.ACCEPTED or closed[0].clamps, "and it is told"


@pytest.mark.parametrize("space", ["JOINT_POSITION", "EE_DELTA"])
def test_one_that_stays_clear_of_it_is_executed(space):
    near = CLEAR + 0.2 * (INSIDE - CLEAR)
    distance, turned, _ = nearest(TEXTS["mjcf"], space, near)
    assert 0.005 < distance < apart(CLEAR) and turned == pytest.approx(0.1, abs=0.02)
