import numpy as np
import pytest

from vla_contract.action_space import ActionSpace
from vla_motion import rotation
from vla_motion.action_conversion import (
    Anchors,
    Targets,
    actions_from_targets,
    ee_delta_targets,
    ee_relative_targets,
    is_cartesian,
    joint_delta_targets,
    joint_relative_targets,
    poses_to_ee_delta,
    targets_from_actions,
)

RNG = np.random.default_rng(5)
T_COMMANDED, T_OBSERVED = rotation.vector_to_pose(
    [[0.4, 0.1, 0.3, 3.0, 0.2, 0.1], [0.39, 0.11, 0.3, 3.0, 0.1, 0.1]]
)
ANCHORS = Anchors(T_COMMANDED, np.arange(7.0), T_OBSERVED, np.arange(7.0) + 0.5)


def test_ee_delta_composes_from_the_left_step_by_step():
    actions = RNG.normal(scale=0.2, size=(16, 6))
    T = T_COMMANDED.copy()
    for target, d in zip(ee_delta_targets(T_COMMANDED, actions), actions, strict=True):
        T[:3, 3] = T[:3, 3] + d[:3]
        T[:3, :3] = rotation.exp(d[3:]) @ T[:3, :3]
        np.testing.assert_allclose(target, T, atol=1e-14)


def test_relative_steps_do_not_build_on_each_other():
    actions = np.tile([0.01, 0.0, 0.0, 0.0, 0.0, 0.1], (3, 1))
    delta, relative = ee_delta_targets(T_COMMANDED, actions), ee_relative_targets(T_COMMANDED, actions)
    np.testing.assert_allclose(relative[0], delta[0], atol=1e-14)
    np.testing.assert_allclose(relative[2], relative[0], atol=1e-14)
    assert delta[2, 0, 3] == pytest.approx(0.43)
    steps = np.full((3, 2), 0.1)
    np.testing.assert_allclose(joint_delta_targets([1.0, 2.0], steps)[:, 0], [1.1, 1.2, 1.3])
    np.testing.assert_allclose(joint_relative_targets([1.0, 2.0], steps)[:, 0], [1.1, 1.1, 1.1])


@pytest.mark.parametrize("space", list(ActionSpace))
@pytest.mark.parametrize("gripper_columns", [(), (0,), (6,), (2, 5)])
def test_every_space_returns_to_its_actions(space, gripper_columns):
    motion = 6 if is_cartesian(space) else 7
    actions = RNG.normal(scale=0.3, size=(10, motion + len(gripper_columns)))
    targets = targets_from_actions(space, actions, ANCHORS, gripper_columns)
    assert (targets.T is None) == (targets.q is not None) == (not is_cartesian(space))
    np.testing.assert_array_equal(targets.gripper, actions[:, list(gripper_columns)])
    np.testing.assert_allclose(
        actions_from_targets(space, targets, ANCHORS, gripper_columns), actions, atol=1e-12
    )


def test_each_space_uses_its_own_anchor():
    step = np.zeros((1, 6))
    np.testing.assert_allclose(targets_from_actions(ActionSpace.EE_DELTA, step, ANCHORS).T[0], T_COMMANDED)
    np.testing.assert_allclose(targets_from_actions(ActionSpace.EE_RELATIVE, step, ANCHORS).T[0], T_OBSERVED)
    np.testing.assert_allclose(targets_from_actions(ActionSpace.EE_POSE, step, ANCHORS).T[0], np.eye(4))
    step = np.zeros((1, 7))
    np.testing.assert_allclose(
        targets_from_actions(ActionSpace.JOINT_DELTA, step, ANCHORS).q[0], ANCHORS.q_commanded
    )
    np.testing.assert_allclose(
        targets_from_actions(ActionSpace.JOINT_RELATIVE, step, ANCHORS).q[0], ANCHORS.q_observed
    )
    np.testing.assert_allclose(
        targets_from_actions(ActionSpace.JOINT_POSITION, step, ANCHORS).q[0], np.zeros(7)
    )


def test_half_turns_and_empty_chunks():
    T = ee_delta_targets(np.eye(4), np.array([[0, 0, 0, 0, 0, np.pi]] * 2))
    np.testing.assert_allclose(T[1], np.eye(4), atol=1e-12)
    assert ee_delta_targets(np.eye(4), np.zeros((0, 6))).shape == (0, 4, 4)
    assert poses_to_ee_delta(np.eye(4), np.zeros((0, 4, 4))).shape == (0, 6)


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="EE_DELTA needs the anchor T_commanded"):
        targets_from_actions(ActionSpace.EE_DELTA, np.zeros((2, 6)), Anchors())
    with pytest.raises(ValueError, match=r"\(2, 7\), allowed is \(steps, 6\)"):
        targets_from_actions(ActionSpace.EE_POSE, np.zeros((2, 7)), Anchors())
    with pytest.raises(ValueError, match="JOINT_POSITION is made of joint positions"):
        actions_from_targets(
            ActionSpace.JOINT_POSITION, Targets(np.eye(4)[None], None, np.zeros((1, 0))), Anchors()
        )
