"""Where the robot's frames are, each in its parent: what goes to /tf and /tf_static. No ROS here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import mujoco
import numpy as np

from vla_contract.card import InterfaceCard
from vla_sim.urdf import ROOT, mimics

# MuJoCo cameras look along -z with y up, optical frames (REP-103) along z with y down.
_OPTICAL = np.array([0.0, 1.0, 0.0, 0.0])


class FramePose(NamedTuple):
    """Pose of a frame in another: translation (3,) [m], quaternion (4,) in ROS order x, y, z, w."""

    parent: str
    child: str
    translation: np.ndarray
    quaternion: np.ndarray


class RobotFrames:
    """The tree of the robot's frames, with `world` as its root; movable objects are not in it.

    Args:
        model: The scene. Camera positions are read anew by every call of `fixed`.
        card: Names of the cameras and their optical frames.
    """

    def __init__(self, model: mujoco.MjModel, card: InterfaceCard) -> None:
        self._model = model
        self._cameras = [(camera.name, camera.frame) for camera in card.cameras]
        self._mimics = mimics(model)
        free = model.jnt_bodyid[model.jnt_type == mujoco.mjtJoint.mjJNT_FREE]
        roots = set(model.body_rootid[free].tolist())
        self._bodies = [b for b in range(1, model.nbody) if int(model.body_rootid[b]) not in roots]

    def fixed(self) -> list[FramePose]:
        """Bodies without joints, named sites, and the cameras' optical frames."""
        m = self._model
        poses = [
            self._pose(int(m.body_parentid[b]), m.body(b).name, m.body_pos[b], m.body_quat[b])
            for b in self._bodies
            if m.body_jntnum[b] == 0
        ]
        for s in range(m.nsite):
            if m.site(s).name and int(m.site_bodyid[s]) in (0, *self._bodies):
                poses.append(self._pose(int(m.site_bodyid[s]), m.site(s).name, m.site_pos[s], m.site_quat[s]))
        for name, frame in self._cameras:
            c = m.camera(name).id
            optical = np.empty(4)
            mujoco.mju_mulQuat(optical, m.cam_quat[c], _OPTICAL)
            poses.append(self._pose(int(m.cam_bodyid[c]), frame, m.cam_pos[c], optical))
        return poses

    def moving(self, positions: Mapping[str, float]) -> list[FramePose]:
        """Bodies with a joint, at joint positions [rad] or [m] by name.

        A joint that follows another by a constraint may be left out; any other left out stays at 0.
        """
        m = self._model
        poses = []
        for b in self._bodies:
            if m.body_jntnum[b] == 0:
                continue
            position, quaternion = m.body_pos[b].copy(), m.body_quat[b].copy()
            for j in range(m.body_jntadr[b], m.body_jntadr[b] + m.body_jntnum[b]):
                amount = self._joint_position(m.joint(j).name, positions) - float(m.qpos0[m.jnt_qposadr[j]])
                _move(position, quaternion, int(m.jnt_type[j]), m.jnt_pos[j], m.jnt_axis[j], amount)
            poses.append(self._pose(int(m.body_parentid[b]), m.body(b).name, position, quaternion))
        return poses

    def _joint_position(self, name: str, positions: Mapping[str, float]) -> float:
        if name not in positions and name in self._mimics:
            leader, multiplier, offset = self._mimics[name]
            return multiplier * positions.get(leader, 0.0) + offset
        return positions.get(name, 0.0)

    def _pose(self, parent: int, child: str, position: np.ndarray, quaternion_wxyz: np.ndarray) -> FramePose:
        name = self._model.body(parent).name if parent else ROOT
        return FramePose(name, child, np.array(position), np.roll(quaternion_wxyz, -1))


def _move(position, quaternion, kind: int, anchor: np.ndarray, axis: np.ndarray, amount: float) -> None:
    """Moves a body's pose in its parent, in place, by one of its joints."""
    turned = np.empty(3)
    if kind == mujoco.mjtJoint.mjJNT_SLIDE:
        mujoco.mju_rotVecQuat(turned, axis * amount, quaternion)
        position += turned
        return
    mujoco.mju_rotVecQuat(turned, anchor, quaternion)
    position += turned
    turn, before = np.empty(4), quaternion.copy()
    mujoco.mju_axisAngle2Quat(turn, axis, amount)
    mujoco.mju_mulQuat(quaternion, before, turn)
    mujoco.mju_rotVecQuat(turned, anchor, quaternion)
    position -= turned
