"""Serial chains read from MJCF or URDF, as a neutral list of joints from the base to the tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pinocchio as pin

from vla_motion.description import check_urdf_limits, is_text, language_of, plain, read_description
from vla_motion.model_error import ModelError

__all__ = ["Chain", "ChainJoint", "ModelError", "chain_from_mjcf", "chain_from_urdf"]


@dataclass
class ChainJoint:
    """One moving joint.

    placement (4, 4): pose of the joint's frame in the previous joint's frame, at position 0. axis (3,): unit,
    in the joint's frame. lower, upper [rad] or [m], infinite where unlimited. velocity [rad/s] or [m/s],
    infinite where not given. inertia: of everything that moves with this joint and not with the next.
    """

    name: str
    prismatic: bool
    axis: np.ndarray
    placement: np.ndarray
    lower: float
    upper: float
    velocity: float
    inertia: pin.Inertia


@dataclass
class Chain:
    """Joints from the base to the tool. tool: pose of the tool frame in the last joint's frame (4, 4).

    gravity (3,) [m/s^2] in the base frame.
    """

    joints: list[ChainJoint]
    tool: np.ndarray
    gravity: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, -9.81]))


def chain_from_mjcf(source: str | Path, joints: Sequence[str], tool_frame: str, base_frame: str) -> Chain:
    """Reads the chain that ends at the body or site tool_frame from MJCF (text, path, or a compiled MjModel).

    Joints that are not named stay at their reference position. Raises ModelError.
    """
    import mujoco

    if isinstance(source, mujoco.MjModel):
        model = source
    else:
        model = compile_mjcf(source)
    joint_names = [model.joint(j).name for j in range(model.njnt)]
    _require("joint", joints, joint_names)
    base_body, T_body_base = _mjcf_frame(model, base_frame)
    tool_body, T_body_tool = _mjcf_frame(model, tool_frame)
    moving = {joint_names.index(name) for name in joints}

    # T: pose of the walked body, counted from the last moving joint passed (from the world before the first)
    def body_pose(body: int) -> np.ndarray:
        return _transform(model.body_pos[body], model.body_quat[body])

    path = _ancestors(model.body_parentid, tool_body)
    if any(model.jnt_bodyid[j] in _ancestors(model.body_parentid, base_body) for j in moving):
        raise ModelError(
            f"base_frame {base_frame} moves with the joints named; it must be fixed below the first of them"
        )
    chain: list[ChainJoint] = []
    order: list[int] = []
    T = np.eye(4)
    for body in path:
        if body:
            T = T @ body_pose(body)
        for j in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
            if j not in moving:
                continue
            chain.append(_mjcf_joint(model, j, joint_names[j], T))
            order.append(j)
            T = _transform(-model.jnt_pos[j], (1.0, 0.0, 0.0, 0.0))
    _require_on_chain(joints, [joint.name for joint in chain], tool_frame)
    T_world_base = np.eye(4)
    for body in _ancestors(model.body_parentid, base_body):
        T_world_base = T_world_base @ (body_pose(body) if body else np.eye(4))
    T_world_base = T_world_base @ T_body_base
    chain[0].placement = np.linalg.solve(T_world_base, chain[0].placement)
    _mjcf_inertias(model, chain, order, body_pose)
    return Chain(chain, T @ T_body_tool, T_world_base[:3, :3].T @ model.opt.gravity)


def compile_mjcf(source: str | Path):
    """MJCF (text or path) as MuJoCo compiles it. Raises ModelError."""
    import mujoco

    try:
        if is_text(source):
            language_of(str(source))
            return mujoco.MjModel.from_xml_string(plain(str(source)))
        language_of(read_description(source), Path(source).parent)
        return mujoco.MjModel.from_xml_path(str(source))
    except ModelError:
        raise
    except (ValueError, OSError) as error:
        raise ModelError(f"MJCF cannot be read: {error}") from None


def _mjcf_joint(model, j: int, name: str, T: np.ndarray) -> ChainJoint:
    import mujoco

    kind = mujoco.mjtJoint(int(model.jnt_type[j]))
    if kind not in (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE):
        raise ModelError(f"joint {name} is neither a hinge nor a slide; an arm's joints must be one of these")
    prismatic = kind == mujoco.mjtJoint.mjJNT_SLIDE
    axis = np.array(model.jnt_axis[j])
    reference = float(model.qpos0[model.jnt_qposadr[j]])
    placement = T @ _transform(model.jnt_pos[j], (1.0, 0.0, 0.0, 0.0))
    back = np.eye(4)
    if prismatic:
        back[:3, 3] = -reference * axis
    else:
        back[:3, :3] = pin.exp3(-reference * axis)
    limited = bool(model.jnt_limited[j])
    lower, upper = (float(x) for x in model.jnt_range[j]) if limited else (-np.inf, np.inf)
    return ChainJoint(name, prismatic, axis, placement @ back, lower, upper, np.inf, pin.Inertia.Zero())


def _mjcf_inertias(model, chain: list[ChainJoint], order: list[int], body_pose) -> None:
    """Adds the inertia of every body to the moving joint that carries it."""
    # carrier: index into the chain (or None), and the body's pose in that joint's frame at position 0
    carrier: dict[int, tuple[int | None, np.ndarray]] = {0: (None, np.eye(4))}
    for body in range(1, model.nbody):
        owner, T = carrier[int(model.body_parentid[body])]
        T = T @ body_pose(body)
        for j in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
            if j in order:
                owner, T = order.index(j), _transform(-model.jnt_pos[j], (1.0, 0.0, 0.0, 0.0))
        carrier[body] = (owner, T)
        if owner is None or model.body_mass[body] == 0.0:
            continue
        local = _transform(model.body_ipos[body], model.body_iquat[body])
        inertia = pin.Inertia(float(model.body_mass[body]), np.zeros(3), np.diag(model.body_inertia[body]))
        chain[owner].inertia = chain[owner].inertia + pin.SE3(T @ local).act(inertia)


def chain_from_urdf(source: str | Path, joints: Sequence[str], tool_frame: str, base_frame: str) -> Chain:
    """Reads the chain that ends at the link tool_frame from URDF (text or path); other joints stay at 0.

    Meshes are not looked for. Raises ModelError.
    """
    text = plain(str(source)) if is_text(source) else read_description(source)
    language_of(text)
    check_urdf_limits(text, joints)
    try:
        full = pin.buildModelFromXML(text)
    except (ValueError, RuntimeError, OSError) as error:
        raise ModelError(f"URDF cannot be read: {error}") from None
    _require("joint", joints, list(full.names)[1:])
    links = [frame.name for frame in full.frames if frame.type == pin.FrameType.BODY]
    _require("link", (tool_frame, base_frame), links)
    locked = [full.getJointId(name) for name in list(full.names)[1:] if name not in joints]
    model = pin.buildReducedModel(full, locked, pin.neutral(full))
    tool = model.frames[model.getFrameId(tool_frame, pin.FrameType.BODY)]
    base = model.frames[model.getFrameId(base_frame, pin.FrameType.BODY)]
    if base.parentJoint != 0:
        raise ModelError(
            f"base_frame {base_frame} moves with the joints named; it must be fixed below the first of them"
        )
    ids = [j for j in _ancestors(model.parents, tool.parentJoint) if j]
    chain = [_urdf_joint(model, j) for j in ids]
    _require_on_chain(joints, [joint.name for joint in chain], tool_frame)
    chain[0].placement = base.placement.inverse().homogeneous @ chain[0].placement
    return Chain(chain, tool.placement.homogeneous, base.placement.rotation.T @ model.gravity.linear)


def _urdf_joint(model: pin.Model, j: int) -> ChainJoint:
    name, joint = model.names[j], model.joints[j]
    if joint.nv != 1:
        raise ModelError(
            f"joint {name} has {joint.nv} degrees of freedom; an arm's joints must be revolute or prismatic"
        )
    # the motion subspace at position 0 tells kind and axis for every one-dimensional joint type
    data = joint.createData()
    joint.calc(data, pin.neutral(model))
    subspace = np.asarray(data.S).reshape(6)
    prismatic = bool(np.linalg.norm(subspace[:3]) > 0.5)
    unlimited = joint.nq == 2
    lower = -np.inf if unlimited else float(model.lowerPositionLimit[joint.idx_q])
    upper = np.inf if unlimited else float(model.upperPositionLimit[joint.idx_q])
    velocity = float(model.upperVelocityLimit[joint.idx_v])
    axis = subspace[:3] if prismatic else subspace[3:]
    placement = model.jointPlacements[j].homogeneous
    return ChainJoint(
        name, prismatic, axis, placement, lower, upper, velocity or np.inf, model.inertias[j].copy()
    )


def _mjcf_frame(model, name: str) -> tuple[int, np.ndarray]:
    """Body that carries the frame, and the frame's pose in it. Sites go before bodies of the same name."""
    sites = [model.site(s).name for s in range(model.nsite)]
    bodies = [model.body(b).name for b in range(model.nbody)]
    if name in sites:
        s = sites.index(name)
        return int(model.site_bodyid[s]), _transform(model.site_pos[s], model.site_quat[s])
    if name in bodies:
        return bodies.index(name), np.eye(4)
    raise ModelError(f"frame {name} is not in the model; bodies: {_listed(bodies)}; sites: {_listed(sites)}")


def _transform(position: Iterable[float], quaternion_wxyz: Iterable[float]) -> np.ndarray:
    w, x, y, z = (float(value) for value in quaternion_wxyz)
    T = np.eye(4)
    T[:3, :3] = pin.Quaternion(w, x, y, z).normalized().toRotationMatrix()
    T[:3, 3] = position
    return T


def _ancestors(parents, node: int) -> list[int]:
    """From the root (0) to the node itself."""
    path = [int(node)]
    while path[-1] != 0:
        path.append(int(parents[path[-1]]))
    return path[::-1]


def _require(kind: str, wanted: Sequence[str], available: Sequence[str]) -> None:
    if kind == "joint" and not wanted:
        raise ModelError("no joints named; an arm needs at least one")
    if len(set(wanted)) != len(wanted) and kind == "joint":
        raise ModelError(f"joints are named twice: {_listed(wanted)}")
    for name in wanted:
        if name not in available:
            raise ModelError(f"{kind} {name} is not in the model; it has: {_listed(available)}")


def _require_on_chain(joints: Sequence[str], chain: Sequence[str], tool_frame: str) -> None:
    for name in joints:
        if name not in chain:
            raise ModelError(
                f"joint {name} does not move {tool_frame}; of those named, these do: {_listed(chain)}"
            )
    if list(joints) != list(chain):
        raise ModelError(f"joints must be listed from base to tool: {_listed(chain)}; got {_listed(joints)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name) or "none"
