"""Kinematics of one arm: where its tool is and how it moves with the joints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pinocchio as pin

from vla_motion.kernels.chain import ChainArrays, forward_path
from vla_motion.model_error import ModelError
from vla_motion.model_loading import Chain, chain_from_mjcf, chain_from_urdf

__all__ = ["ModelError", "RobotModel"]

_AXES = pin.ReferenceFrame.LOCAL_WORLD_ALIGNED


class RobotModel:
    """A serial arm, everything in its base frame.

    joints (J) from base to tool; lower, upper (J,) [rad] or [m], infinite where the description has no limit;
    velocity (J,) [rad/s]. continuous (J,): turns for ever, as the description has no limit. pin_model, pin_data and
    tool_id give access to Pinocchio; the universe of pin_model is the base frame. reach (J,): no part of the chain from a
    joint's axis to the tool is longer [m]; 1 or more for a prismatic joint, whose own motion it bounds. chain: the same
    kinematics as arrays, for the compiled functions of ``kernels``. source: the description that it was read from. Not for
    use from two threads at once.
    """

    def __init__(self, chain: Chain, base_frame: str, tool_frame: str, source: str | Path | None = None) -> None:
        self.source = source
        self.base_frame = base_frame
        self.tool_frame = tool_frame
        self.joints: tuple[str, ...] = tuple(joint.name for joint in chain.joints)
        self.lower = np.array([joint.lower for joint in chain.joints])
        self.upper = np.array([joint.upper for joint in chain.joints])
        self.velocity = np.array([joint.velocity for joint in chain.joints])
        self.pin_model = _pinocchio_model(chain, tool_frame)
        self.pin_data = self.pin_model.createData()
        self.tool_id = self.pin_model.getFrameId(tool_frame)
        placements = np.stack([placement.homogeneous for placement in list(self.pin_model.jointPlacements)[1:]])
        prismatic = np.array([joint.prismatic for joint in chain.joints])
        tool = self.pin_model.frames[self.tool_id].placement.homogeneous.copy()
        self.chain = ChainArrays(placements, prismatic, tool)
        self.continuous = ~prismatic & np.isinf(self.lower) & np.isinf(self.upper)
        self.reach = _reach(*self.chain, self.upper - self.lower)

    @classmethod
    def from_mjcf(
        cls, xml_string_or_path: str | Path, joints: Sequence[str], tool_frame: str, base_frame: str
    ) -> RobotModel:
        """Arm from MJCF (text, path or compiled MjModel). Frames are bodies or sites. Raises ModelError."""
        chain = chain_from_mjcf(xml_string_or_path, joints, tool_frame, base_frame)
        return cls(chain, base_frame, tool_frame, xml_string_or_path)

    @classmethod
    def from_urdf(
        cls, xml_string_or_path: str | Path, joints: Sequence[str], tool_frame: str, base_frame: str
    ) -> RobotModel:
        """Arm from URDF (text, as on /robot_description, or path). Frames are links. Raises ModelError."""
        chain = chain_from_urdf(xml_string_or_path, joints, tool_frame, base_frame)
        return cls(chain, base_frame, tool_frame, xml_string_or_path)

    def forward(self, q: np.ndarray) -> np.ndarray:
        """T_base_tool (4, 4) at joint positions q (J,) [rad]. Raises ValueError for another length."""
        pin.forwardKinematics(self.pin_model, self.pin_data, q)
        return pin.updateFramePlacement(self.pin_model, self.pin_data, self.tool_id).homogeneous

    def jacobian(self, q: np.ndarray) -> np.ndarray:
        """(6, J) at q (J,): joint velocities to the tool's, linear [m/s] above angular [rad/s], base axes."""
        return pin.computeFrameJacobian(self.pin_model, self.pin_data, q, self.tool_id, _AXES)

    def forward_batch(self, q: np.ndarray) -> np.ndarray:
        """T_base_tool (N, 4, 4) at joint positions q (N, J) [rad]."""
        q = np.ascontiguousarray(q, dtype=np.float64)
        if q.ndim != 2 or q.shape[1] != len(self.joints):
            raise ValueError(f"q has shape {q.shape}, allowed is (poses, {len(self.joints)})")
        T = np.empty((len(q), 4, 4))
        forward_path(self.chain, q, T)
        return T


def _reach(placements: np.ndarray, prismatic: np.ndarray, tool: np.ndarray, travel: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(placements[:, :3, 3], axis=1)
    beyond = np.append(lengths[1:], np.linalg.norm(tool[:3, 3])) + np.where(prismatic, travel, 0.0)
    arms = np.cumsum(beyond[::-1])[::-1]
    return np.ascontiguousarray(np.where(prismatic, np.maximum(arms, 1.0), arms))


def _pinocchio_model(chain: Chain, tool_frame: str) -> pin.Model:
    model = pin.Model()
    model.name = tool_frame
    model.gravity.linear = chain.gravity
    parent, untwist = 0, np.eye(4)
    for joint in chain.joints:
        # joints about z are Pinocchio's fast types, so each joint's frame is turned until its axis is z
        twist = np.eye(4)
        twist[:3, :3] = pin.Quaternion.FromTwoVectors(
            np.array([0.0, 0.0, 1.0]), joint.axis
        ).toRotationMatrix()
        kind = pin.JointModelPZ() if joint.prismatic else pin.JointModelRZ()
        placement = pin.SE3(untwist @ joint.placement @ twist)
        bounds = (np.array([value]) for value in (np.inf, joint.velocity, joint.lower, joint.upper))
        parent = model.addJoint(parent, kind, placement, joint.name, *bounds)
        untwist = twist.T
        model.appendBodyToJoint(parent, joint.inertia, pin.SE3(untwist))
    frame = pin.Frame(tool_frame, parent, 0, pin.SE3(untwist @ chain.tool), pin.FrameType.OP_FRAME)
    model.addFrame(frame)
    return model
