import numpy as np
import panda
import pytest

from vla_motion import rotation
from vla_motion.kinematics import inverse, inverse_path, solve_path
from vla_motion.model import RobotModel


@pytest.fixture(scope="module")
def model():
    return RobotModel.from_mjcf(panda.mjcf(), panda.JOINTS, "panda_tool", "panda_link0")


def reachable(count, seed, spread):
    """Joint positions inside the limits, and others near them to start from."""
    rng = np.random.default_rng(seed)
    q = rng.uniform(panda.LOWER + 0.1, panda.UPPER - 0.1, (count, 7))
    return q, np.clip(q + rng.uniform(-spread, spread, q.shape), panda.LOWER, panda.UPPER)


@pytest.mark.parametrize("posture", [None, panda.HOME], ids=["free", "posture"])
def test_reachable_poses_are_reached_inside_the_limits(model, posture):
    for q, seed in zip(*reachable(150, 3, 0.15), strict=True):
        target = panda.closed_form(q)
        result = inverse(model, target, seed, posture=posture)
        distance, angle = rotation.pose_error(panda.closed_form(result.q), target)
        assert result.converged
        assert distance < 1e-4 and angle < 1e-3
        assert (distance, angle) == (
            pytest.approx(result.position_error, abs=1e-9),
            pytest.approx(result.rotation_error, abs=1e-9),
        )
        assert np.all(result.q >= panda.LOWER) and np.all(result.q <= panda.UPPER)


def test_far_seeds_mostly_converge(model):
    converged = [
        inverse(model, panda.closed_form(q), seed).converged
        for q, seed in zip(*reachable(200, 4, 0.5), strict=True)
    ]
    assert np.mean(converged) > 0.95


def test_tighter_limits_are_kept(model):
    lower, upper = panda.HOME - 0.2, panda.HOME + 0.2
    target = model.forward(panda.HOME)
    for shift in ([0.0, 0.25, 0.0], [0.1, 0.0, 0.05], [0.0, 0.0, -0.3]):
        moved = target.copy()
        moved[:3, 3] += shift
        result = inverse(model, moved, panda.HOME, lower=lower, upper=upper)
        assert np.all(result.q >= lower) and np.all(result.q <= upper)
    # joint 1 stands at its bound here, and the other joints still finish the motion
    small = target.copy()
    small[:3, 3] += [0.0, 0.02, 0.0]
    assert inverse(
        model, small, panda.HOME, lower=np.r_[0.0, lower[1:]], upper=np.r_[1e-3, upper[1:]]
    ).converged


def test_seed_outside_the_limits_is_brought_inside(model):
    result = inverse(model, model.forward(panda.HOME), panda.HOME + np.r_[10.0, np.zeros(6)])
    assert np.all(result.q <= panda.UPPER)


def test_unreachable_target_gives_the_nearest_pose(model):
    target = model.forward(panda.HOME)
    target[:3, 3] = [3.0, 0.0, 0.3]
    result = inverse(model, target, panda.HOME)
    assert not result.converged
    assert np.all(np.isfinite(result.q))
    assert result.position_error > 1.5
    assert result.position_error < np.linalg.norm(target[:3, 3] - model.forward(panda.HOME)[:3, 3]) - 0.2
    assert result.position_error == pytest.approx(
        np.linalg.norm(model.forward(result.q)[:3, 3] - target[:3, 3])
    )


def test_posture_moves_the_elbow_and_not_the_tool(model):
    target = model.forward(panda.HOME)
    target[:3, 3] += [0.05, 0.05, 0.0]
    wish = panda.HOME + np.r_[0.0, 0.0, 0.8, 0.0, 0.0, 0.0, 0.0]
    free, drawn = (inverse(model, target, panda.HOME, posture=posture) for posture in (None, wish))
    assert free.converged and drawn.converged
    assert np.linalg.norm(drawn.q - wish) < np.linalg.norm(free.q - wish) - 0.1


def test_a_path_is_followed_without_jumps(model):
    start = model.forward(panda.HOME)
    deltas = np.tile([0.004, 0.006, -0.003, 0.01, -0.01, 0.02], (30, 1))
    targets = start.copy()[None].repeat(30, axis=0)
    for i in range(30):
        targets[i] = rotation.compose_left(targets[i - 1] if i else start, deltas[i])
    path = solve_path(model, targets, panda.HOME)
    assert path.converged.all()
    assert path.position_error.max() < 1e-4 and path.rotation_error.max() < 1e-3
    assert np.abs(np.diff(np.vstack([panda.HOME, path.q]), axis=0)).max() < 0.15
    np.testing.assert_array_equal(inverse_path(model, targets, panda.HOME), path.q)


def test_a_path_goes_on_after_an_unreachable_step(model):
    targets = np.repeat(model.forward(panda.HOME)[None], 3, axis=0)
    targets[1, :3, 3] += [0.0, 0.0, -1.0]
    path = solve_path(model, targets, panda.HOME, max_iterations=100)
    assert path.converged.tolist() == [True, False, True]
    assert inverse_path(model, targets[:0], panda.HOME).shape == (0, 7)


def test_same_question_same_answer(model):
    target = panda.closed_form(panda.HOME + 0.1)
    first, second = (inverse(model, target, panda.HOME, posture=panda.HOME).q for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_nonsense_is_refused(model):
    target = np.full((4, 4), np.nan)
    with pytest.raises(ValueError, match="not finite"):
        inverse(model, target, panda.HOME)
    with pytest.raises(ValueError, match=r"\(6,\), allowed are \(4, 4\) and \(7,\)"):
        inverse(model, np.eye(4), panda.HOME[:6])
