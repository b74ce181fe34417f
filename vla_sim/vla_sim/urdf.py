"""A robot's URDF, written from its compiled MuJoCo model. Names are those of the MJCF; numbers keep every digit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from xml.etree import ElementTree as ET

import mujoco
import numpy as np

from vla_sim.scene import robot_mjcf

ROOT = "world"
"""Name of the root link, the MJCF's world body."""

# Published by the manufacturer; MJCF has no place for them. [rad/s], fingers [m/s].
PANDA_VELOCITY: dict[str, float] = {
    **{f"panda_joint{i}": 2.175 for i in range(1, 5)},
    **{f"panda_joint{i}": 2.61 for i in range(5, 8)},
    **{f"panda_finger_joint{i}": 0.2 for i in (1, 2)},
}

_DRAWN_GROUPS = 3  # MuJoCo draws geometry of the groups 0 to 2 by default
_GEOM, _JOINT = mujoco.mjtGeom, mujoco.mjtJoint


class UrdfError(ValueError):
    """The model has something that URDF cannot carry. The message names it and what is allowed."""


@lru_cache(maxsize=1)
def robot_urdf() -> str:
    """URDF text of the Panda alone, as it is published on `robot_description`."""
    return urdf_from_mjcf(mujoco.MjModel.from_xml_string(robot_mjcf()), "panda", PANDA_VELOCITY)


def urdf_from_mjcf(model: mujoco.MjModel, name: str, velocity: Mapping[str, float]) -> str:
    """URDF text of a fixed-base robot.

    Bodies become links under the root link `world`, named sites become fixed links of their own. Geometry that can touch
    becomes `collision`, geometry that is drawn `visual`; a capsule is a cylinder with a sphere at each end, the three
    named alike. Equal models give equal text.

    Args:
        model: The robot, compiled.
        name: Name of the robot.
        velocity: Speed limit of each joint [rad/s] or [m/s].

    Raises:
        UrdfError: Unnamed or equally named frames, joints other than one hinge or slide per body at its origin,
            geometry other than box, sphere, cylinder and capsule, or a joint without speed limit.
    """
    robot = ET.Element("robot", name=name)
    links = [ROOT]
    for body in range(model.nbody):
        link = ET.SubElement(robot, "link", name=ROOT if body == 0 else _name(model.body(body), "body", links))
        _add_inertial(link, model, body)
        _add_geometry(link, model, body)
        if body:
            _add_joint(robot, model, body, velocity)
    for site in range(model.nsite):
        ET.SubElement(robot, "link", name=_name(model.site(site), "site", links))
        parent = int(model.site_bodyid[site])
        _fixed(robot, _link_name(model, parent), model.site(site).name, model.site_pos[site], model.site_quat[site])
    ET.indent(robot)
    return '<?xml version="1.0"?>\n' + ET.tostring(robot, encoding="unicode") + "\n"


def roll_pitch_yaw(rotation: np.ndarray) -> np.ndarray:
    """Angles (3,) [rad] of URDF's `rpy`, R = Rz(yaw) Ry(pitch) Rx(roll), of a rotation (3, 3).

    Yaw is taken first and roll from what is left, so that no digits are lost where pitch is near +-90 degrees
    (B. Day, Extracting Euler angles from a rotation matrix, 2012).
    """
    R = rotation
    yaw = np.arctan2(R[1, 0], R[0, 0])
    s, c = np.sin(yaw), np.cos(yaw)
    pitch = np.arctan2(-R[2, 0], c * R[0, 0] + s * R[1, 0])
    roll = np.arctan2(s * R[0, 2] - c * R[1, 2], c * R[1, 1] - s * R[0, 1])
    return np.array([roll, pitch, yaw])


def mimics(model: mujoco.MjModel) -> dict[str, tuple[str, float, float]]:
    """Joints that follow another by an equality constraint: follower to (leader, multiplier, offset)."""
    found = {}
    for k in range(model.neq):
        if model.eq_type[k] != mujoco.mjtEq.mjEQ_JOINT or model.eq_obj2id[k] < 0:
            continue
        # MuJoCo: joint1 = polynomial in joint2; which of an equal pair is the leader is free, and the first is commanded
        one, two = (model.joint(int(j[k])).name for j in (model.eq_obj1id, model.eq_obj2id))
        offset, multiplier = (float(v) for v in model.eq_data[k, :2])
        if multiplier != 0.0 and not model.eq_data[k, 2:5].any():
            found[two] = (one, 1.0 / multiplier, -offset / multiplier)
    return found


def _add_joint(robot: ET.Element, model: mujoco.MjModel, body: int, velocity: Mapping[str, float]) -> None:
    parent, child = _link_name(model, int(model.body_parentid[body])), model.body(body).name
    count = int(model.body_jntnum[body])
    if count == 0:
        _fixed(robot, parent, child, model.body_pos[body], model.body_quat[body])
        return
    j = int(model.body_jntadr[body])
    name, kind = model.joint(j).name, int(model.jnt_type[j])
    if count > 1 or kind not in (_JOINT.mjJNT_HINGE, _JOINT.mjJNT_SLIDE):
        raise UrdfError(f"body {child}: its joints are not one hinge or slide; no more is allowed")
    if model.jnt_pos[j].any() or model.qpos0[model.jnt_qposadr[j]] != 0.0:
        raise UrdfError(f"joint {name}: pos and ref must be 0")
    if name not in velocity:
        raise UrdfError(f"joint {name}: no speed limit; given are {', '.join(velocity)}")
    limited = bool(model.jnt_limited[j])
    revolute = "revolute" if limited else "continuous"
    joint = _joint(robot, name, "prismatic" if kind == _JOINT.mjJNT_SLIDE else revolute, parent, child)
    _origin(joint, model.body_pos[body], model.body_quat[body])
    ET.SubElement(joint, "axis", xyz=_numbers(model.jnt_axis[j]))
    lower, upper = model.jnt_range[j] if limited else (-np.inf, np.inf)
    bounds = {"lower": _numbers([lower]), "upper": _numbers([upper])} if revolute != "continuous" else {}
    ET.SubElement(joint, "limit", **bounds, effort=_numbers([_effort(model, j)]), velocity=_numbers([velocity[name]]))
    if name in mimics(model):
        leader, multiplier, offset = mimics(model)[name]
        ET.SubElement(joint, "mimic", joint=leader, multiplier=_numbers([multiplier]), offset=_numbers([offset]))


def _effort(model: mujoco.MjModel, j: int) -> float:
    """Largest force of the joint's actuator [N m] or [N]; 0 where it has none."""
    drives = [a for a in range(model.nu) if model.actuator_trnid[a, 0] == j and model.actuator_forcelimited[a]]
    return max((float(np.abs(model.actuator_forcerange[a]).max()) for a in drives), default=0.0)


def _joint(robot: ET.Element, name: str, kind: str, parent: str, child: str) -> ET.Element:
    joint = ET.SubElement(robot, "joint", name=name, type=kind)
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=child)
    return joint


def _fixed(robot: ET.Element, parent: str, child: str, position: np.ndarray, quaternion: np.ndarray) -> None:
    _origin(_joint(robot, f"{child}_fixed", "fixed", parent, child), position, quaternion)


def _add_inertial(link: ET.Element, model: mujoco.MjModel, body: int) -> None:
    if model.body_mass[body] == 0.0:
        return
    inertial = ET.SubElement(link, "inertial")
    _origin(inertial, model.body_ipos[body], model.body_iquat[body])
    ET.SubElement(inertial, "mass", value=_numbers([model.body_mass[body]]))
    diagonal = dict(zip(("ixx", "iyy", "izz"), (_numbers([v]) for v in model.body_inertia[body]), strict=True))
    ET.SubElement(inertial, "inertia", **diagonal, ixy="0", ixz="0", iyz="0")


def _add_geometry(link: ET.Element, model: mujoco.MjModel, body: int) -> None:
    geoms = range(model.body_geomadr[body], model.body_geomadr[body] + model.body_geomnum[body])
    for purpose in ("visual", "collision"):
        for number, g in enumerate(geoms):
            drawn = model.geom_group[g] < _DRAWN_GROUPS
            touches = bool(model.geom_contype[g] or model.geom_conaffinity[g])
            if not (drawn if purpose == "visual" else touches):
                continue
            label = model.geom(g).name or f"{link.get('name')}_{number}"
            for suffix, offset, shape, sizes in _shapes(model, g, label):
                element = ET.SubElement(link, purpose, name=label + suffix)
                turned = np.empty(3)
                mujoco.mju_rotVecQuat(turned, np.array([0.0, 0.0, offset]), model.geom_quat[g])
                _origin(element, model.geom_pos[g] + turned, model.geom_quat[g])
                ET.SubElement(ET.SubElement(element, "geometry"), shape, **sizes)
                if purpose == "visual":
                    material = ET.SubElement(element, "material", name=f"{label}_color")
                    ET.SubElement(material, "color", rgba=" ".join(f"{v:.3g}" for v in model.geom_rgba[g]))


def _shapes(model: mujoco.MjModel, g: int, label: str) -> list[tuple[str, float, str, dict[str, str]]]:
    """Parts of a geom: name's ending, offset along its z axis [m], URDF shape, its sizes."""
    kind, (a, b, c) = int(model.geom_type[g]), model.geom_size[g]
    if kind == _GEOM.mjGEOM_BOX:
        return [("", 0.0, "box", {"size": _numbers([2 * a, 2 * b, 2 * c])})]
    if kind == _GEOM.mjGEOM_SPHERE:
        return [("", 0.0, "sphere", {"radius": _numbers([a])})]
    if kind not in (_GEOM.mjGEOM_CYLINDER, _GEOM.mjGEOM_CAPSULE):
        raise UrdfError(f"geom {label}: its type is none of box, sphere, cylinder, capsule")
    side = ("cylinder", {"radius": _numbers([a]), "length": _numbers([2 * b])})
    if kind == _GEOM.mjGEOM_CYLINDER:
        return [("", 0.0, *side)]
    end = ("sphere", {"radius": _numbers([a])})
    return [("_side", 0.0, *side), ("_end0", -b, *end), ("_end1", b, *end)]


def _origin(element: ET.Element, position: np.ndarray, quaternion: np.ndarray) -> None:
    rotation = np.empty(9)
    mujoco.mju_quat2Mat(rotation, quaternion)
    angles = roll_pitch_yaw(rotation.reshape(3, 3))
    ET.SubElement(element, "origin", xyz=_numbers(position), rpy=_numbers(angles))


def _name(named, kind: str, taken: list[str]) -> str:
    """The name of a body or site, which is added to those taken."""
    if not named.name or named.name in taken:
        raise UrdfError(f"{kind} {named.id}: its name {named.name!r} is empty or used twice; every frame needs its own")
    taken.append(named.name)
    return named.name


def _link_name(model: mujoco.MjModel, body: int) -> str:
    return model.body(body).name if body else ROOT


def _numbers(values) -> str:
    """Shortest text that reads back as the very same numbers; -0 is 0."""
    return " ".join(repr(float(v) + 0.0) for v in values)
