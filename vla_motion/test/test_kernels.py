"""The compiled kernels against Pinocchio and dense samples."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
import pytest
from panda import JOINTS, urdf

from vla_motion.kernels import chain, polynomial
from vla_motion.model import RobotModel
from vla_motion.spline import quintic_coefficients


@pytest.fixture(scope="module")
def model():
    return RobotModel.from_urdf(urdf(), JOINTS, "panda_tool", "panda_link0")


def test_forward_and_jacobian_agree_with_pinocchio(model):
    rng = np.random.default_rng(0)
    frames, T, J = np.empty((7, 4, 4)), np.empty((4, 4)), np.empty((6, 7))
    for q in rng.uniform(-2.8, 2.8, (50, 7)):
        chain.frames_and_tool(model.chain, q, frames, T)
        chain.jacobian(model.chain.prismatic, frames, T, J)
        assert np.allclose(T, model.forward(q), atol=1e-13)
        assert np.allclose(J, model.jacobian(q), atol=1e-13)
    batch = rng.uniform(-2.8, 2.8, (20, 7))
    assert np.allclose(model.forward_batch(batch), [model.forward(q) for q in batch], atol=1e-13)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 0.3, 2.0, 3.1, np.pi - 1e-7])
def test_rotation_vectors_go_there_and_back(angle):
    rng = np.random.default_rng(1)
    for axis in [*np.eye(3), *rng.normal(size=(10, 3))]:
        turn = angle * axis / np.linalg.norm(axis)
        A, B = np.eye(4), np.eye(4)
        A[:3, :3] = pin.exp3(rng.normal(size=3))
        chain.turned_by(turn, A, B)
        assert np.allclose(B[:3, :3], pin.exp3(turn) @ A[:3, :3], atol=1e-12)
        back = np.empty(3)
        chain.turn_between(A, B, back)
        assert np.allclose(back, turn, atol=1e-9)


def test_no_sample_of_a_quintic_lies_beyond_its_extremes():
    rng = np.random.default_rng(2)
    s = np.linspace(0.0, 1.0, 4001)
    C, out = np.empty(6), np.empty(5)
    for _ in range(400):
        T = float(rng.choice([0.004, 0.1, 1.0]))
        ends = rng.normal(size=6) * rng.choice([0.0, 1e-3, 1.0, 100.0], size=6)
        polynomial.quintic(T, *ends, C)
        reference = quintic_coefficients(T, *ends)
        assert np.allclose(C, reference * T ** np.arange(6), rtol=1e-9, atol=1e-9)
        polynomial.extremes(C, out)
        p = np.polynomial.Polynomial(C)
        derivatives = [np.abs(p.deriv(k)(s)).max() for k in (1, 2, 3)]
        scale = np.abs(C).max() + 1e-30
        assert out[0] <= p(s).min() + 1e-12 * scale and out[1] >= p(s).max() - 1e-12 * scale
        for found, dense in zip(out[2:], derivatives):
            assert found >= dense - 1e-11 * scale * 60
            assert found <= dense * (1.0 + 1e-4) + 1e-9 * scale
