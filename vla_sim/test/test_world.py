import time

import numpy as np
import pytest

from vla_motion.trajectory import JointTrajectory
from vla_sim.card_fit import WorldError
from vla_sim.expert import Expert, ExpertState
from vla_sim.server import TICK_NS, Callbacks, SimServer
from vla_sim.world import SimWorld


@pytest.fixture(scope="module")
def world(card):
    return SimWorld(card)


def to(world, positions, seconds):
    arm = world.card.arms[0]
    return JointTrajectory(
        topic=arm.trajectory_topic,
        stamp_ns=0,
        joint_names=tuple(arm.joints),
        times_ns=np.array([int(seconds * 1e9)]),
        positions=np.array([positions]),
        velocities=np.zeros((1, 7)),
        accelerations=np.zeros((1, 7)),
    )


def test_the_arm_goes_where_a_trajectory_sends_it(world):
    world.reset("pick", 3)
    start = world.joint_state()[1][:7]
    goal = start + np.array([0.2, -0.1, 0.1, 0.1, 0.0, 0.1, -0.2])
    accepted, reason = world.submit(to(world, goal, 1.0))
    assert accepted, reason
    world.step(250)
    halfway = world.joint_state()[1][:7]
    assert np.all(np.abs(halfway - (start + goal) / 2) < 0.02)
    world.step(400)
    np.testing.assert_allclose(world.joint_state()[1][:7], goal, atol=2e-3)


def test_controllers_that_are_not_active_drop_what_comes_and_hold_where_they_stand_afterwards(world):
    home = np.array(world.card.arms[0].home)
    away = home + np.array([0.3, 0, 0, 0, 0, 0, 0])
    assert world.submit(to(world, away, 1.0)) == (True, "")
    world.step(250)
    world.set_active(False)
    assert list(world.controllers()) == [] and world.submit(to(world, home, 0.2)) == (True, "")
    world.step(400)
    stood = world.joint_state()[1][:7]
    assert 0.1 < stood[0] - home[0] < 0.25, "it stands on its way"
    world.set_active(True)
    world.step(500)
    assert np.abs(world.joint_state()[1][:7] - stood).max() < 2e-3 and len(list(world.controllers())) == 2


def test_without_a_trajectory_the_arm_holds_still(world):
    world.reset("stack", 5)
    start = world.joint_state()[1]
    world.step(500)
    np.testing.assert_allclose(world.joint_state()[1], start, atol=1e-3)


def test_objects_come_to_rest_where_they_were_laid(world):
    task = world.reset("place_in_bowl", 11)
    world.step(250)
    for name, (x, y, _) in task.layout.items():
        position = world.object_position(name)
        np.testing.assert_allclose(position[:2], (x, y), atol=3e-3, err_msg=name)
        assert -1e-3 < position[2] < 0.03
    assert not world.progress().success


def test_a_topic_that_nobody_serves(world):
    world.reset("pick", 0)
    accepted, reason = world.submit(
        JointTrajectory(
            topic="elbow/joint_trajectory",
            stamp_ns=0,
            joint_names=("panda_joint1",),
            times_ns=np.array([10**9]),
            positions=np.zeros((1, 1)),
            velocities=None,
            accelerations=None,
        )
    )
    assert not accepted and "panda_arm_controller/joint_trajectory" in reason


def test_same_seed_same_physics(world):
    runs = []
    for _ in range(2):
        world.reset("pick", 21)
        start = world.joint_state()[1][:7]
        world.submit(to(world, start + 0.1, 0.5))
        world.step(300)
        runs.append(np.concatenate([world.joint_state()[1], world.object_position(world.task.target)]))
    np.testing.assert_array_equal(runs[0], runs[1])


def test_cameras_see_the_block(world):
    task = world.reset("pick", 1000)
    for camera in ("front", "wrist"):
        image = world.render(camera)
        assert image.shape == (224, 224, 3) and image.dtype == np.uint8
    reds = (image[..., 0] > 120) & (image[..., 1] < 60) & (image[..., 2] < 60)
    assert task.target == "red_block" and reds.sum() > 20


def test_projected_points_lie_on_the_object(world):
    for seed in (1000, 1005, 1010):
        world.reset("pick", seed)
        points = world.named_points()
        assert points.shape == (2, 2, 2) and np.isnan(points[:, 1]).all(), "pick has no destination"
        for camera, (x, y) in zip(("front", "wrist"), points[:, 0], strict=True):
            image = world.render(camera)
            column, row = int((x + 1) / 2 * 224), int((y + 1) / 2 * 224)
            r, g, b = image[row, column].astype(int)
            assert r > g + 60 and r > b + 60, (seed, camera, r, g, b)


def test_a_point_behind_the_camera_is_out_of_view(world):
    world.reset("pick", 0)
    assert np.isnan(world.project("front", np.array([3.0, 0.0, 1.0]))).all()


def test_a_camera_that_the_scene_lacks(card):
    cameras = [card.cameras[0].model_copy(update={"name": "ceiling", "topic": "ceiling/image_raw"}), card.cameras[1]]
    with pytest.raises(WorldError, match="'ceiling' is not in the scene, it has .*'front'"):
        SimWorld(card.model_copy(update={"cameras": cameras}))


def test_a_camera_that_does_not_see_colours(card):
    """It would be drawn in colours all the same, and a policy trained on others than it gets."""
    with pytest.raises(WorldError, match="'wrist' is mono8, the simulator's cameras give rgb8, bgr8, rgba8, bgra8"):
        SimWorld(card.model_copy(update={"cameras": [card.cameras[0], card.cameras[1].model_copy(update={"encoding": "mono8"})]}))


def test_a_table_of_truth_needs_a_task(card):
    with pytest.raises(WorldError, match="vla_sim/reset"):
        SimWorld(card).progress()


def test_the_server_keeps_pace_and_delivers_stamped_frames(card):
    world = SimWorld(card)
    world.reset("pick", 0)
    states, frames, errors = [], [], []
    server = SimServer(
        world,
        Callbacks(
            on_state=lambda now, *_: states.append(now),
            on_image=lambda camera, stamp, image: frames.append((camera, stamp, image.shape)),
            on_error=errors.append,
        ),
    )
    server.start()
    started, deadline = time.monotonic(), time.monotonic() + 30.0
    while (len(frames) < 12 or len(states) < 50) and time.monotonic() < deadline:
        time.sleep(0.02)
    elapsed_ns = (time.monotonic() - started) * 1e9
    server.stop()
    assert not errors
    assert len(states) >= 50 and np.all(np.diff(states) >= TICK_NS)
    # A machine that is too slow skips time, it does not run after it.
    assert abs((states[-1] - states[0]) - elapsed_ns) < 0.5e9
    stamps = {camera: [s for c, s, _ in frames if c == camera] for camera in ("front", "wrist")}
    assert len(stamps["wrist"]) >= 5 and stamps["front"][:5] == stamps["wrist"][:5]
    assert {shape for *_, shape in frames} == {(224, 224, 3)}


def expert_state(**changes):
    values = dict(
        tool=np.array([0.44, 0.0, 0.30]),
        rotation=np.diag([1.0, -1.0, -1.0]),
        finger=0.04,
        target=np.array([0.5, 0.1, 0.02]),
        yaw=0.3,
        destination=None,
        held=False,
    )
    return ExpertState(**{**values, **changes})


def test_the_expert_comes_down_over_the_block_and_closes():
    plan = Expert("red_block", None).plan(expert_state(), horizon=40)
    path = np.array([0.44, 0.0, 0.30]) + np.cumsum(plan[:, :3], axis=0)
    close = int(np.argmax(plan[:, 6] < 0.5))
    np.testing.assert_allclose(path[close], (0.5, 0.1, 0.02), atol=0.01)
    assert path[-1, 2] > 0.15, "and lifts"
    low = path[: close + 1][path[: close + 1, 2] < 0.05]
    assert np.all(np.linalg.norm(low[:, :2] - (0.5, 0.1), axis=1) < 0.02), "never low beside the block"


def test_the_expert_opens_a_closed_hand_before_it_descends():
    plan = Expert("red_block", None).plan(expert_state(tool=np.array([0.5, 0.1, 0.04]), finger=0.0), horizon=4)
    assert np.all(plan[:2, 6] == 1.0) and plan[0, 2] > 0.0


def test_the_expert_lets_go_only_over_the_destination():
    state = expert_state(
        tool=np.array([0.5, 0.1, 0.02]), finger=0.02, held=True, destination=np.array([0.45, -0.15, 0.0])
    )
    plan = Expert("red_block", "bowl").plan(state, horizon=60)
    path = state.tool + np.cumsum(plan[:, :3], axis=0)
    release = int(np.argmax(plan[:, 6] > 0.5))
    assert release > 5
    np.testing.assert_allclose(path[release, :2], (0.45, -0.15), atol=0.015)
