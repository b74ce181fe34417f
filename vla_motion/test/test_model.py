import mujoco
import numpy as np
import panda
import pytest

from vla_motion.model import ModelError, RobotModel

RNG = np.random.default_rng(2)

# joints off the body's origin, along odd axes, with references; a slide; one that is not part of the arm
AWKWARD = """<mujoco><compiler angle="radian"/><worldbody>
<body name="base" pos="0.1 0.2 0.3" quat="0.9 0.1 0 0.4"><site name="mount" pos="0 0 0.1" quat="1 0.2 0 0"/>
<body name="a" pos="0 0 0.333"><inertial pos="0.01 0.02 0" mass="3" diaginertia="1 1 1"/>
<joint name="j1" range="-2.9 2.9"/>
<body name="b" quat="1 -1 0 0"><inertial pos="0 0 0.1" mass="3" diaginertia="1 2 1"/>
<joint name="j2" axis="0 1 1" ref="0.3" pos="0.02 0.1 0"/>
<body name="c" pos="0 0.1 0.2"><joint type="slide" name="j3" axis="1 0 0" ref="0.1"/>
<joint name="loose" ref="0.2"/>
<inertial pos="0 0 0.1" mass="1" diaginertia="1 1 1"/>
<body name="d" pos="0 0 0.1"><joint name="j4" axis="0 0 -1"/>
<inertial pos="0 0.1 0" mass="1" diaginertia="1 1 1"/>
<site name="tool" pos="0.1 0 0" quat="1 0 1 0"/></body></body></body></body></body></worldbody></mujoco>"""


def arm(**changes):
    options = {"joints": panda.JOINTS, "tool_frame": "panda_tool", "base_frame": "panda_link0"} | changes
    return RobotModel.from_mjcf(panda.mjcf('pos="0.3 0.1 0.2" euler="0 0 1"'), **options)


@pytest.fixture(scope="module", params=["mjcf", "urdf"])
def model(request):
    if request.param == "mjcf":
        return arm()
    return RobotModel.from_urdf(panda.urdf(), panda.JOINTS, "panda_tool", "panda_link0")


def test_tool_pose_is_that_of_the_published_parameters(model):
    assert model.joints == tuple(panda.JOINTS)
    np.testing.assert_array_equal(model.lower, panda.LOWER)
    np.testing.assert_array_equal(model.upper, panda.UPPER)
    for q in RNG.uniform(panda.LOWER, panda.UPPER, (50, 7)):
        np.testing.assert_allclose(model.forward(q), panda.closed_form(q), atol=1e-12)


def test_jacobian_is_the_derivative_of_the_pose(model):
    step = 1e-6
    for q in RNG.uniform(panda.LOWER, panda.UPPER, (10, 7)):
        J = model.jacobian(q).copy()
        T = model.forward(q)
        for j in range(7):
            ahead, behind = (model.forward(q + sign * step * np.eye(7)[j]) for sign in (1, -1))
            slope = (ahead - behind) / (2 * step)
            spin = slope[:3, :3] @ T[:3, :3].T
            np.testing.assert_allclose(J[:3, j], slope[:3, 3], atol=1e-8)
            np.testing.assert_allclose(J[3:, j], [spin[2, 1], spin[0, 2], spin[1, 0]], atol=1e-8)


def test_batches_and_results_do_not_share_memory(model):
    q = RNG.uniform(panda.LOWER, panda.UPPER, (5, 7))
    first = model.forward(q[0])
    kept = first.copy()
    batch = model.forward_batch(q)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_allclose(batch[3], panda.closed_form(q[3]), atol=1e-12)
    assert model.forward_batch(q[:0]).shape == (0, 4, 4)


@pytest.mark.parametrize("base", ["base", "mount"])
def test_awkward_joints_agree_with_mujoco(base):
    model = RobotModel.from_mjcf(AWKWARD, ["j1", "j2", "j3", "j4"], "tool", base)
    simulated = mujoco.MjModel.from_xml_string(AWKWARD)
    data = mujoco.MjData(simulated)

    def pose(item):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = item.xmat.reshape(3, 3), item.xpos
        return T

    for q in RNG.uniform(-1, 1, (10, 4)):
        data.qpos[:] = [q[0], q[1], q[2], 0.2, q[3]]
        mujoco.mj_forward(simulated, data)
        T_world_base = pose(data.body("base") if base == "base" else data.site("mount"))
        expected = np.linalg.solve(T_world_base, pose(data.site("tool")))
        np.testing.assert_allclose(model.forward(q), expected, atol=1e-12)


def test_gravity_and_inertia_agree_with_mujoco():
    import pinocchio as pin

    model = RobotModel.from_mjcf(AWKWARD, ["j1", "j2", "j3", "j4"], "tool", "base")
    simulated = mujoco.MjModel.from_xml_string(AWKWARD)
    data = mujoco.MjData(simulated)
    q = np.array([0.4, 0.9, 0.05, -0.3])
    data.qpos[:] = [*q[:3], 0.2, q[3]]
    mujoco.mj_forward(simulated, data)
    torque = pin.computeGeneralizedGravity(model.pin_model, model.pin_data, q)
    np.testing.assert_allclose(torque, data.qfrc_bias[[0, 1, 2, 4]], atol=1e-10)


def test_continuous_urdf_joint_is_one_angle():
    text = panda.urdf().replace(
        'name="panda_joint7" type="revolute"', 'name="panda_joint7" type="continuous"'
    )
    model = RobotModel.from_urdf(text, panda.JOINTS, "panda_tool", "panda_link0")
    assert (model.lower[6], model.upper[6]) == (-np.inf, np.inf)
    np.testing.assert_allclose(model.forward(panda.HOME), panda.closed_form(panda.HOME), atol=1e-12)


@pytest.mark.parametrize(("travel", "expected"), [(0.3, [1.175, 1.0, 0.125]), (0.9, [1.775, 1.275, 0.125])])
def test_reach_is_the_longest_way_to_the_tool_and_of_a_slide_at_least_one(travel, expected):
    inertial = '<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>'
    text = (
        f'<mujoco><worldbody><body name="base"><body pos="0 0 2"><joint name="turn"/>{inertial}'
        f'<body pos="0.3 0 0.4"><joint name="slide" type="slide" axis="1 0 0" range="-0.1 {travel - 0.1}"/>{inertial}'
        f'<body pos="0 0.25 0"><joint name="wrist" axis="0 1 0"/>{inertial}<site name="tool" pos="0 0 0.125"/>'
        "</body></body></body></body></worldbody></mujoco>"
    )
    model = RobotModel.from_mjcf(text, ["turn", "slide", "wrist"], "tool", "base")
    np.testing.assert_allclose(model.reach, expected)


def test_files_and_compiled_models_are_read_too(tmp_path):
    path = tmp_path / "panda.xml"
    path.write_text(panda.mjcf())
    compiled = mujoco.MjModel.from_xml_string(panda.mjcf())
    for source in (path, str(path), compiled):
        model = RobotModel.from_mjcf(source, panda.JOINTS, "panda_tool", "panda_link0")
        np.testing.assert_allclose(model.forward(panda.HOME), panda.closed_form(panda.HOME), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joints": ["panda_joint1", "elbow"]}, "joint elbow is not in the model; it has: .*panda_joint1"),
        ({"joints": []}, "no joints named"),
        ({"joints": ["panda_joint1"] * 2}, "named twice"),
        ({"joints": panda.JOINTS[::-1]}, "from base to tool: panda_joint1, panda_joint2"),
        ({"joints": [*panda.JOINTS, "panda_finger_joint1"]}, "panda_finger_joint1 does not move panda_tool"),
        ({"joints": ["block_joint"], "tool_frame": "block"}, "block_joint is neither a hinge nor a slide"),
        (
            {"tool_frame": "gripper"},
            "frame gripper is not in the model; bodies: .*panda_hand.*sites: panda_tool",
        ),
        ({"base_frame": "floor"}, "frame floor is not in the model"),
        ({"base_frame": "panda_link3"}, "base_frame panda_link3 moves"),
    ],
)
def test_what_is_missing_is_named(changes, message):
    with pytest.raises(ModelError, match=message):
        arm(**changes)


@pytest.mark.parametrize(
    ("joints", "tool", "base", "message"),
    [
        (["panda_joint1", "elbow"], "panda_tool", "panda_link0", "joint elbow is not in the model"),
        (panda.JOINTS, "gripper", "panda_link0", "link gripper is not in the model; it has: .*panda_hand"),
        (panda.JOINTS, "panda_tool", "panda_hand", "base_frame panda_hand moves"),
        (panda.JOINTS, "panda_link5", "panda_link0", "joint panda_joint6 does not move panda_link5"),
    ],
)
def test_what_a_urdf_lacks_is_named(joints, tool, base, message):
    with pytest.raises(ModelError, match=message):
        RobotModel.from_urdf(panda.urdf(), joints, tool, base)


def test_unreadable_descriptions_are_one_kind_of_error(tmp_path):
    for read in (RobotModel.from_mjcf, RobotModel.from_urdf):
        for source in ("<mujoco><worldbody>", "<robot", tmp_path / "absent.xml"):
            with pytest.raises(ModelError, match="cannot be read"):
                read(source, panda.JOINTS, "panda_tool", "panda_link0")
