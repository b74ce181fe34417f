import numpy as np
import pinocchio as pin
import pytest

from vla_motion import rotation

RNG = np.random.default_rng(1)


def random_vectors(count, largest=np.pi):
    axis = RNG.normal(size=(count, 3))
    return axis / np.linalg.norm(axis, axis=1, keepdims=True) * RNG.uniform(0.0, largest, (count, 1))


def test_exp_and_log_agree_with_pinocchio():
    for r in random_vectors(200, 3.1):
        np.testing.assert_allclose(rotation.exp(r), pin.exp3(r), atol=1e-14)
        np.testing.assert_allclose(rotation.log(pin.exp3(r)), r, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 9.99e-7, 1.01e-6, 1e-3, np.pi - 1e-9, np.pi])
def test_small_and_half_turns_survive_the_round_trip(angle):
    for axis in np.concatenate([np.eye(3), random_vectors(20)]):
        r = axis / np.linalg.norm(axis) * angle
        back = rotation.log(rotation.exp(r))
        # a half turn about an axis is the half turn about its opposite
        error = min(np.abs(back - r).max(), np.abs(back + r).max() if angle > 3 else np.inf)
        assert error < 1e-9 * max(angle, 1e-6) + 1e-14
        np.testing.assert_allclose(rotation.exp(back), rotation.exp(r), atol=1e-14)


def test_stacks_keep_their_shape():
    r = random_vectors(12).reshape(3, 4, 3)
    R = rotation.exp(r)
    assert R.shape == (3, 4, 3, 3)
    np.testing.assert_allclose(rotation.log(R), r, atol=1e-12)
    assert rotation.exp(np.zeros((0, 3))).shape == (0, 3, 3)
    assert rotation.log(np.zeros((0, 3, 3))).shape == (0, 3)


def test_quaternions_are_in_ros_order():
    np.testing.assert_allclose(
        rotation.quaternion_from_rotation(rotation.exp([0.0, 0.0, np.pi / 2])),
        [0, 0, np.sqrt(0.5), np.sqrt(0.5)],
        atol=1e-15,
    )
    R = rotation.exp(random_vectors(50))
    np.testing.assert_allclose(
        rotation.rotation_from_quaternion(rotation.quaternion_from_rotation(R)), R, atol=1e-14
    )
    with pytest.raises(ValueError, match="zero length"):
        rotation.rotation_from_quaternion([0, 0, 0, 0])


def test_quaternions_of_stacks_are_those_of_each():
    r = random_vectors(12).reshape(3, 4, 3)
    half = 0.5 * np.linalg.norm(r, axis=-1, keepdims=True)
    q = rotation.quaternion_from_rotation(rotation.exp(r))
    np.testing.assert_allclose(q, np.concatenate([r * np.sin(half) / (2 * half), np.cos(half)], axis=-1), atol=1e-14)
    np.testing.assert_allclose(rotation.rotation_from_quaternion(q)[2, 1], pin.exp3(r[2, 1]), atol=1e-14)


def test_deltas_turn_about_the_base_axes():
    T = rotation.vector_to_pose([0.1, 0.2, 0.3, 0.0, np.pi / 2, 0.0])
    moved = rotation.compose_left(T, [0.01, 0.0, 0.0, 0.0, 0.0, np.pi / 2])
    np.testing.assert_allclose(moved[:3, 3], [0.11, 0.2, 0.3])
    # the tool's z lay along base x; a quarter turn about base z brings it to base y
    np.testing.assert_allclose(moved[:3, 2], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation.left_difference(T, moved), [0.01, 0, 0, 0, 0, np.pi / 2], atol=1e-12)


def test_pose_vectors_inverse_and_error():
    vector = np.concatenate([RNG.normal(size=(20, 3)), random_vectors(20)], axis=1)
    T = rotation.vector_to_pose(vector)
    np.testing.assert_allclose(rotation.pose_to_vector(T), vector, atol=1e-12)
    np.testing.assert_allclose(rotation.inverse(T) @ T, np.broadcast_to(np.eye(4), T.shape), atol=1e-14)
    distance, angle = rotation.pose_error(T[0], rotation.compose_left(T[0], [0.3, 0.4, 0.0, 0.0, 0.2, 0.0]))
    assert distance == pytest.approx(0.5)
    assert angle == pytest.approx(0.2)


def test_interpolation_reaches_both_ends_at_even_speed():
    a, b = rotation.vector_to_pose([[0, 0, 0, 0.1, 0.2, 0.3], [1, 2, 3, 1.0, -0.5, 0.2]])
    path = rotation.interpolate_pose(a, b, np.linspace(0, 1, 5))
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-14)
    distance, angle = rotation.pose_error(path[:-1], path[1:])
    assert np.ptp(distance) < 1e-12
    assert np.ptp(angle) < 1e-12


@pytest.mark.parametrize("given, reference, expected", [
    ([-3.1, 0.01, 0.0], [3.14, 0.0, 0.0], None),
    ([0.3, -0.2, 0.1], [0.4, -0.2, 0.1], [0.3, -0.2, 0.1]),
    ([0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]),
    ([0.0, 0.2, 0.0], [0.0, -5.9, 0.0], [0.0, 0.2 - 2 * np.pi, 0.0]),
])  # fmt: skip
def test_of_two_vectors_for_a_rotation_the_nearer_is_taken(given, reference, expected):
    found = rotation.near(np.array([given]), np.array([reference]))
    np.testing.assert_allclose(rotation.exp(found), rotation.exp(np.array([given])), atol=1e-14)
    if expected is None:
        assert np.linalg.norm(found[0] - reference) < 0.06
    else:
        np.testing.assert_allclose(found[0], expected, atol=1e-12)
