"""Collision shapes of an arm, read from the description that its kinematics were read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import coal
import numpy as np
import pinocchio as pin

from vla_motion.collision_shape import Shape, ShapeSet, convex_hull
from vla_motion.description import URDF, is_text, language_of, mesh_places, plain, read_description
from vla_motion.model import RobotModel
from vla_motion.model_error import ModelError
from vla_motion.model_loading import _ancestors, _mjcf_frame, compile_mjcf

__all__ = ["shapes_from_description"]

_SAME = 1e-6  # [m]


def shapes_from_description(source: str | Path, model: RobotModel) -> ShapeSet:
    """Shapes that move with the joints of model, or that carry the first of them.

    source: MJCF or URDF as text or path, or a compiled MjModel: what model was built from. Bodies on further joints
    (fingers) and everything else in the description (scene, other arms) are left out. A mesh stands for its convex
    hull. Meshes of a URDF are found as file://, absolute, or package:// through the share folders of
    AMENT_PREFIX_PATH. Raises ModelError for what cannot be read or found.
    """
    if isinstance(source, (str, Path)):
        text = plain(str(source)) if is_text(source) else read_description(source)
        folder = "." if is_text(source) else Path(source).parent
        if language_of(text, folder) == URDF:
            return _from_urdf(text, model)
    return _from_mjcf(source, model)


def _joint_poses(model: RobotModel) -> list[np.ndarray]:
    """Poses of the base and of each joint's frame in the base frame with all joints at 0."""
    data = model.pin_model.createData()
    pin.forwardKinematics(model.pin_model, data, np.zeros(model.pin_model.nq))
    return [placement.homogeneous for placement in data.oMi]


# MJCF


def _from_mjcf(source, model: RobotModel) -> ShapeSet:
    import mujoco

    compiled = source if isinstance(source, mujoco.MjModel) else compile_mjcf(source)
    joint_names = [compiled.joint(j).name for j in range(compiled.njnt)]
    missing = [name for name in model.joints if name not in joint_names]
    if missing:
        raise ModelError(f"joint {missing[0]} is not in the description of the collision shapes")
    chain = [joint_names.index(name) for name in model.joints]
    data = mujoco.MjData(compiled)
    data.qpos[:] = compiled.qpos0
    data.qpos[compiled.jnt_qposadr[chain]] = 0.0
    mujoco.mj_kinematics(compiled, data)
    base_body, T_body_base = _mjcf_frame(compiled, model.base_frame)
    T_base_world = np.linalg.inv(_pose(data.xpos[base_body], data.xmat[base_body]) @ T_body_base)
    at_zero = _joint_poses(model)
    owners = _mjcf_owners(compiled, chain, base_body, _mjcf_frame(compiled, model.tool_frame)[0])
    shapes = []
    for geom in range(compiled.ngeom):
        body = int(compiled.geom_bodyid[geom])
        if body not in owners or not (compiled.geom_contype[geom] or compiled.geom_conaffinity[geom]):
            continue
        body_name = compiled.body(body).name or f"body {body}"
        name = compiled.geom(geom).name or f"{body_name} geom {geom - int(compiled.body_geomadr[body])}"
        geometry = _mjcf_geometry(compiled, geom, name)
        if geometry is None:
            continue
        T_base = T_base_world @ _pose(data.geom_xpos[geom], data.geom_xmat[geom])
        placement = np.linalg.inv(at_zero[owners[body]]) @ T_base
        shapes.append(Shape(body_name, name, owners[body], geometry, placement))
    excluded = []
    for signature in compiled.exclude_signature:
        bodies = (int(signature) >> 16, int(signature) & 0xFFFF)
        excluded.append(frozenset(compiled.body(body).name or f"body {body}" for body in bodies))
    return ShapeSet(shapes, frozenset(excluded))


def _mjcf_owners(compiled, chain: list[int], base_body: int, tool_body: int) -> dict[int, int]:
    """Number of the chain joint that moves each body, for the bodies that belong to the arm."""
    parents = compiled.body_parentid
    to_tool = _ancestors(parents, tool_body)
    carrier = int(parents[compiled.jnt_bodyid[chain[0]]])
    to_carrier = _ancestors(parents, carrier)
    base = to_carrier[to_carrier.index(base_body) :] if base_body in to_carrier else [carrier]
    owners = {body: 0 for body in base if body != 0}
    branches = {carrier} - {0}  # bodies whose rigidly attached children belong to the arm
    for body in range(1, compiled.nbody):
        if body in owners:
            continue
        first = int(compiled.body_jntadr[body])
        joints = range(first, first + int(compiled.body_jntnum[body]))
        moving = [chain.index(j) + 1 for j in joints if j in chain]
        parent = int(parents[body])
        if moving:
            owners[body] = max(moving)
        elif parent in branches and (body in to_tool or not len(joints)):
            owners[body] = owners[parent]
        else:
            continue
        branches.add(body)
    return owners


def _mjcf_geometry(compiled, geom: int, name: str) -> coal.CollisionGeometry | None:
    import mujoco

    kind = mujoco.mjtGeom(int(compiled.geom_type[geom]))
    size = [float(value) for value in compiled.geom_size[geom]]
    if kind == mujoco.mjtGeom.mjGEOM_PLANE:
        return None
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return coal.Sphere(size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return coal.Capsule(size[0], 2 * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return coal.Cylinder(size[0], 2 * size[1])
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return coal.Box(*(2 * half for half in size))
    if kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        return coal.Ellipsoid(*size)
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        mesh = int(compiled.geom_dataid[geom])
        first = int(compiled.mesh_vertadr[mesh])
        points = compiled.mesh_vert[first : first + int(compiled.mesh_vertnum[mesh])]
        return convex_hull(np.asarray(points, dtype=np.float64))
    raise ModelError(
        f"geom {name} is of type {kind.name}; allowed are sphere, capsule, cylinder, box, ellipsoid, mesh"
    )


def _pose(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.reshape(rotation, (3, 3)), position
    return T


# URDF


def _from_urdf(text: str, model: RobotModel) -> ShapeSet:
    try:
        full = pin.buildModelFromXML(text)
        # without the declaration of an encoding, which ElementTree refuses in a str
        root = ElementTree.fromstring(text.encode())
    except (ValueError, RuntimeError, ElementTree.ParseError) as error:
        raise ModelError(f"URDF cannot be read: {error}") from None
    links = {f.name: f for f in full.frames if f.type == pin.FrameType.BODY}
    for name in (model.base_frame, model.tool_frame):
        if name not in links:
            raise ModelError(f"link {name} is not in the description of the collision shapes")
    data = full.createData()
    pin.framesForwardKinematics(full, data, pin.neutral(full))
    poses = {name: data.oMf[full.getFrameId(name, pin.FrameType.BODY)].homogeneous for name in links}
    T_base_world = np.linalg.inv(poses[model.base_frame])
    at_zero = _joint_poses(model)
    owners = _urdf_owners(root, links, model)
    shapes = []
    for link in root.iter("link"):
        name = link.get("name", "")
        if name not in owners:
            continue
        of_link = []
        for number, collision in enumerate(link.findall("collision")):
            geometry = collision.find("geometry")
            if geometry is None or not len(geometry):
                raise ModelError(f"collision {number} of link {name} has no geometry")
            T_base = T_base_world @ poses[name] @ _urdf_origin(collision.find("origin"))
            placement = np.linalg.inv(at_zero[owners[name]]) @ T_base
            label = collision.get("name") or f"{name} collision {number}"
            of_link.append(Shape(name, label, owners[name], _urdf_geometry(geometry[0], name), placement))
        shapes += _with_capsules(of_link)
    return ShapeSet(shapes)


def _with_capsules(shapes: list[Shape]) -> list[Shape]:
    """A cylinder with a sphere of its radius about each end is how URDF writes a capsule: one shape instead of three."""
    merged, spheres = [], [s for s in shapes if isinstance(s.geometry, coal.Sphere)]
    used: set[int] = set()
    for shape in shapes:
        if not isinstance(shape.geometry, coal.Cylinder):
            continue
        radius, half = shape.geometry.radius, shape.geometry.halfLength
        ends = []
        for side in (-1.0, 1.0):
            centre = shape.placement[:3, 3] + side * half * shape.placement[:3, 2]
            ends += [
                s for s in spheres
                if id(s) not in used and abs(s.geometry.radius - radius) < _SAME
                and np.linalg.norm(s.placement[:3, 3] - centre) < _SAME
            ][:1]  # fmt: skip
        if len(ends) == 2:
            used |= {id(shape), *map(id, ends)}
            merged.append(replace(shape, geometry=coal.Capsule(radius, 2.0 * half)))
    return merged + [shape for shape in shapes if id(shape) not in used]


def _urdf_owners(root, links, model: RobotModel) -> dict[str, int]:
    """Number of the chain joint that moves each link, for the links that belong to the arm."""
    joints = {joint.find("child").get("link"): joint for joint in root.findall("joint")}
    parents = {child: joint.find("parent").get("link") for child, joint in joints.items()}

    def upward(link: str) -> Iterator[str]:
        while True:
            yield link
            if link not in parents:
                return
            link = parents[link]

    to_tool = set(upward(model.tool_frame))
    children = {joint.get("name"): child for child, joint in joints.items()}
    missing = [name for name in model.joints if name not in children]
    if missing:
        raise ModelError(f"joint {missing[0]} is not in the description of the collision shapes")
    carrier = parents[children[model.joints[0]]]
    above = list(upward(carrier))
    base = above[: above.index(model.base_frame) + 1] if model.base_frame in above else [carrier]
    owners: dict[str, int] = {}
    for name in links:
        for link in upward(name):
            if link == carrier or (link == name and link in base):
                owners[name] = 0
                break
            joint = joints.get(link)
            if joint is None:
                break
            if joint.get("name") in model.joints:
                owners[name] = model.joints.index(joint.get("name")) + 1
                break
            if joint.get("type") != "fixed" and link not in to_tool:
                break
    return owners


def _urdf_origin(origin) -> np.ndarray:
    if origin is None:
        return np.eye(4)
    x, y, z = (float(value) for value in origin.get("xyz", "0 0 0").split())
    roll, pitch, yaw = (float(value) for value in origin.get("rpy", "0 0 0").split())
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = pin.rpy.rpyToMatrix(roll, pitch, yaw), (x, y, z)
    return T


def _urdf_geometry(element, link: str) -> coal.CollisionGeometry:
    if element.tag == "box":
        return coal.Box(*(float(value) for value in element.get("size").split()))
    if element.tag == "sphere":
        return coal.Sphere(float(element.get("radius")))
    if element.tag in ("cylinder", "capsule"):
        kind = coal.Cylinder if element.tag == "cylinder" else coal.Capsule
        return kind(float(element.get("radius")), float(element.get("length")))
    if element.tag == "mesh":
        path = _mesh_path(element.get("filename", ""), link)
        scale = np.array([float(value) for value in element.get("scale", "1 1 1").split()])
        try:
            mesh = coal.MeshLoader().load(str(path), scale)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"mesh {path} of link {link} cannot be read: {error}") from None
        return convex_hull(np.array(mesh.vertices()))
    raise ModelError(
        f"collision of link {link} is a {element.tag}; allowed are box, sphere, cylinder, capsule, mesh"
    )


def _mesh_path(uri: str, link: str) -> Path:
    parsed, how = urlparse(uri), ""
    if parsed.scheme == "package":
        candidates, how = mesh_places(parsed.netloc, unquote(parsed.path).lstrip("/"))
    elif parsed.scheme == "file":
        candidates = [Path(unquote(parsed.path))]
    else:
        candidates = [Path(uri)]
    for path in candidates:
        if path.is_file():
            return path
    sought = ", ".join(str(path) for path in candidates) or "nowhere"
    raise ModelError(f"mesh {uri} of link {link} is not found; looked for: {sought}{f'; {how}' if how else ''}")
