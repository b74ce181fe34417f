"""The frames published as TF lie where the physics has the bodies."""

import mujoco
import numpy as np
import pytest

from vla_motion.rotation import rotation_from_quaternion
from vla_sim.frames import RobotFrames
from vla_sim.world import SimWorld


@pytest.fixture(scope="module")
def world(card):
    world = SimWorld(card)
    world.reset("pick", 4)
    return world


def chained(frames, card, positions) -> dict[str, np.ndarray]:
    """T_world_frame (4, 4) of every frame, by the transforms alone."""
    tree = {pose.child: pose for pose in [*frames.fixed(), *frames.moving(positions)]}
    placed = {"world": np.eye(4)}

    def place(name):
        if name not in placed:
            pose = tree[name]
            T = np.eye(4)
            T[:3, :3] = rotation_from_quaternion(pose.quaternion)
            T[:3, 3] = pose.translation
            placed[name] = place(pose.parent) @ T
        return placed[name]

    for name in tree:
        place(name)
    return placed


def test_links_and_tool_are_where_the_physics_has_them(world, card):
    rng = np.random.default_rng(1)
    model, data = world.model, mujoco.MjData(world.model)
    names = [*card.arms[0].joints, "panda_finger_joint1"]
    frames = RobotFrames(model, card)
    for _ in range(5):
        positions = {name: float(rng.uniform(*model.joint(name).range)) for name in names}
        for name, position in positions.items():
            data.qpos[model.joint(name).qposadr[0]] = position
        data.qpos[model.joint("panda_finger_joint2").qposadr[0]] = positions["panda_finger_joint1"]
        mujoco.mj_kinematics(model, data)
        placed = chained(frames, card, positions)
        for name in ("panda_link0", *(f"panda_link{i}" for i in range(1, 8)), "panda_hand", "panda_rightfinger"):
            np.testing.assert_allclose(placed[name][:3, 3], data.body(name).xpos, atol=1e-9, err_msg=name)
            np.testing.assert_allclose(placed[name][:3, :3].ravel(), data.body(name).xmat, atol=1e-9, err_msg=name)
        np.testing.assert_allclose(placed["panda_tool"][:3, 3], data.site("panda_tool").xpos, atol=1e-9)


def test_optical_frames_look_along_z_at_what_the_camera_sees(world, card):
    positions = dict(zip(*world.joint_state()[:2], strict=True))
    placed = chained(RobotFrames(world.model, card), card, positions)
    target = world.object_position(world.task.target)
    for camera in card.cameras:
        T = placed[camera.frame]
        x, y, z = T[:3, :3].T @ (target - T[:3, 3])
        half = np.tan(world.vertical_fov(camera.name) / 2)
        np.testing.assert_allclose([x / z / half, y / z / half], world.project(camera.name, target), atol=2e-3)
        assert z > 0


def test_the_tree_has_one_root_and_no_objects(world, card):
    frames = RobotFrames(world.model, card)
    poses = [*frames.fixed(), *frames.moving({})]
    children = [pose.child for pose in poses]
    assert len(set(children)) == len(children)
    assert {pose.parent for pose in poses} - set(children) == {"world"}
    assert not any("block" in child or child in ("bowl", "cup") for child in children)


def test_a_scene_with_moved_cameras_gives_their_new_frames(world, card):
    frames = RobotFrames(world.model, card)
    before = {pose.child: pose.translation for pose in frames.fixed()}
    world.reset("pick", 5)
    after = {pose.child: pose.translation for pose in frames.fixed()}
    assert not np.allclose(before["front_optical_frame"], after["front_optical_frame"], atol=1e-6)
    np.testing.assert_array_equal(before["panda_link0"], after["panda_link0"])
