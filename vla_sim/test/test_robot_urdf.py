"""The URDF says what the MJCF says: kinematics, limits, inertia, geometry."""

import mujoco
import numpy as np
import pinocchio as pin
import pytest

from vla_motion.model import RobotModel
from vla_sim.scene import robot_mjcf
from vla_sim.urdf import PANDA_VELOCITY, UrdfError, robot_urdf, roll_pitch_yaw, urdf_from_mjcf


@pytest.fixture(scope="module")
def arms(card):
    arm = card.arms[0]
    frames = (list(arm.joints), arm.tool_frame, arm.base_frame)
    return RobotModel.from_urdf(robot_urdf(), *frames), RobotModel.from_mjcf(robot_mjcf(), *frames)


@pytest.fixture(scope="module")
def mjcf():
    return mujoco.MjModel.from_xml_string(robot_mjcf())


def compiled(body: str, rest: str = "") -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{body}</worldbody>{rest}</mujoco>")


def test_tool_and_jacobian_are_those_of_the_mjcf(arms):
    ours, theirs = arms
    rng = np.random.default_rng(3)
    for q in rng.uniform(ours.lower, ours.upper, (300, 7)):
        np.testing.assert_allclose(ours.forward(q), theirs.forward(q), rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.jacobian(q), theirs.jacobian(q), rtol=0, atol=1e-12)


def test_limits_and_dynamics_are_those_of_the_mjcf(arms, card):
    ours, theirs = arms
    assert ours.joints == theirs.joints
    np.testing.assert_array_equal(ours.lower, theirs.lower)
    np.testing.assert_array_equal(ours.upper, theirs.upper)
    np.testing.assert_array_equal(ours.velocity, card.arms[0].limits.velocity)
    rng = np.random.default_rng(4)
    for q in rng.uniform(ours.lower, ours.upper, (20, 7)):
        torques = [pin.computeGeneralizedGravity(m.pin_model, m.pin_data, q) for m in arms]
        np.testing.assert_allclose(torques[0], torques[1], atol=1e-9)
        masses = [pin.crba(m.pin_model, m.pin_data, q) for m in arms]
        np.testing.assert_allclose(np.triu(masses[0]), np.triu(masses[1]), atol=1e-9)


def test_collision_geometry_lies_where_mujoco_has_it(mjcf):
    model = pin.buildModelFromXML(robot_urdf())
    shapes = pin.buildGeomFromUrdfString(model, robot_urdf(), pin.GeometryType.COLLISION)
    by_name = {g.name: g for g in shapes.geometryObjects}
    touching = np.flatnonzero(mjcf.geom_contype | mjcf.geom_conaffinity)
    rng = np.random.default_rng(5)
    data, pin_data, placed = mujoco.MjData(mjcf), model.createData(), shapes.createData()
    order = [mjcf.joint(name).qposadr[0] for name in list(model.names)[1:]]
    for q in rng.uniform(model.lowerPositionLimit, model.upperPositionLimit, (10, model.nq)):
        data.qpos[order] = q
        mujoco.mj_kinematics(mjcf, data)
        pin.updateGeometryPlacements(model, pin_data, shapes, placed, q)
        centres = np.array([placed.oMg[i].translation for i in range(len(by_name))])
        for g in touching:
            nearest = np.linalg.norm(centres - data.geom_xpos[g], axis=1).min()
            assert nearest < 1e-9, (mjcf.body(mjcf.geom_bodyid[g]).name, g)
    capsules = int(np.sum(mjcf.geom_type[touching] == mujoco.mjtGeom.mjGEOM_CAPSULE))
    assert len(by_name) == len(touching) + 2 * capsules
    links = {model.frames[g.parentFrame].name for g in shapes.geometryObjects}
    assert {f"panda_link{i}" for i in range(8)} | {"panda_hand", "panda_leftfinger", "panda_rightfinger"} == links


def test_a_capsule_is_a_cylinder_with_two_spheres_at_its_ends():
    model = compiled('<body name="arm"><geom type="capsule" fromto="1 2 3 1 4 3" size="0.1" mass="0"/></body>')
    text = urdf_from_mjcf(model, "r", {})
    shapes = pin.buildGeomFromUrdfString(pin.buildModelFromXML(text), text, pin.GeometryType.COLLISION)
    side, *ends = shapes.geometryObjects
    np.testing.assert_allclose(side.placement.translation, [1, 3, 3], atol=1e-12)
    np.testing.assert_allclose(np.abs(side.placement.rotation[:, 2]), [0, 1, 0], atol=1e-12)
    assert side.geometry.radius == 0.1 and side.geometry.halfLength == 1.0
    assert sorted(e.placement.translation.round(9).tolist() for e in ends) == [[1, 2, 3], [1, 4, 3]]
    assert all(e.geometry.radius == 0.1 for e in ends)


def test_both_fingers_follow_one_command(mjcf):
    text = robot_urdf()
    assert '<mimic joint="panda_finger_joint1" multiplier="1.0" offset="0.0" />' in text
    assert text == urdf_from_mjcf(mjcf, "panda", PANDA_VELOCITY), "the same model gives the same text"


@pytest.mark.parametrize("pitch", [0.4, np.pi / 2, -np.pi / 2, np.pi / 2 - 1e-9, 1.57])
def test_angles_of_any_rotation_keep_their_digits(pitch):
    rng = np.random.default_rng(6)
    for roll, yaw in rng.uniform(-np.pi, np.pi, (50, 2)):
        R = pin.rpy.rpyToMatrix(roll, pitch, yaw)
        np.testing.assert_allclose(pin.rpy.rpyToMatrix(*roll_pitch_yaw(R)), R, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "body, words",
    [
        ('<body><geom size="0.1"/></body>', ["body 1", "name"]),
        ('<body name="a"><joint name="j" type="ball"/><geom size="0.1"/></body>', ["body a", "hinge or slide"]),
        ('<body name="a"><joint name="j" pos="0 0 1"/><geom size="0.1"/></body>', ["joint j", "pos and ref"]),
        ('<body name="a"><joint name="j"/><geom size="0.1"/></body>', ["joint j", "speed limit"]),
        ('<body name="a"><geom name="g" type="ellipsoid" size="1 1 2"/></body>', ["geom g", "capsule"]),
        ('<body name="a"><geom size="0.1"/><site name="a"/></body>', ["site", "'a'", "twice"]),
    ],
)
def test_what_urdf_cannot_carry_is_named(body, words):
    with pytest.raises(UrdfError) as error:
        urdf_from_mjcf(compiled(body), "r", {})
    assert all(word in str(error.value) for word in words), error.value
