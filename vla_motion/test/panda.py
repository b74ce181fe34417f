"""The Franka Panda's chain as small MJCF and URDF texts, from the published Denavit-Hartenberg parameters."""

import math

import numpy as np

JOINTS = [f"panda_joint{i}" for i in range(1, 8)]
LOWER = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
UPPER = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
HOME = np.array([0.0, -0.45, 0.0, -2.35, 0.0, 1.9, 0.7854])

# offset [m] and turn about x [rad] of each link in the one before, modified Denavit-Hartenberg
_LINKS = [
    ((0.0, 0.0, 0.333), 0.0),
    ((0.0, 0.0, 0.0), -math.pi / 2),
    ((0.0, -0.316, 0.0), math.pi / 2),
    ((0.0825, 0.0, 0.0), math.pi / 2),
    ((-0.0825, 0.384, 0.0), -math.pi / 2),
    ((0.0, 0.0, 0.0), math.pi / 2),
    ((0.088, 0.0, 0.0), math.pi / 2),
]
_FLANGE, _TOOL = 0.107, 0.1034


def closed_form(q):
    """T_base_tool (4, 4) written out from the parameters, sharing no code with the package."""

    def about(axis, angle):
        c, s = math.cos(angle), math.sin(angle)
        T = np.eye(4)
        if axis == "x":
            T[1:3, 1:3] = [[c, -s], [s, c]]
        else:
            T[:2, :2] = [[c, -s], [s, c]]
        return T

    def shift(offset):
        T = np.eye(4)
        T[:3, 3] = offset
        return T

    T = np.eye(4)
    for (offset, turn), angle in zip(_LINKS, q, strict=True):
        T = T @ shift(offset) @ about("x", turn) @ about("z", angle)
    return T @ shift((0, 0, _FLANGE)) @ about("z", -math.pi / 4) @ shift((0, 0, _TOOL))


def mjcf(base_pose='pos="0 0 0"'):
    opened = ""
    for i, (offset, turn) in enumerate(_LINKS):
        opened += (
            f'<body name="panda_link{i + 1}" pos="{offset[0]} {offset[1]} {offset[2]}" euler="{turn} 0 0">'
            f'<joint name="{JOINTS[i]}" axis="0 0 1" range="{LOWER[i]} {UPPER[i]}"/>'
            '<geom type="sphere" size="0.05" mass="2" contype="0" conaffinity="0"/>'
        )
    return f"""<mujoco><compiler angle="radian"/>
<asset><texture name="grid" type="2d" builtin="checker" width="64" height="64"/>
<material name="grid" texture="grid"/></asset>
<worldbody>
<geom type="plane" size="1 1 0.1" material="grid"/><camera name="front" pos="1 0 1"/>
<body name="block" pos="0.5 0 0.1"><freejoint name="block_joint"/>
<geom type="box" size="0.02 0.02 0.02"/></body>
<body name="panda_link0" {base_pose}><geom type="sphere" size="0.05"/>{opened}
<body name="panda_hand" pos="0 0 {_FLANGE}" euler="0 0 {-math.pi / 4}">
<geom type="sphere" size="0.03" mass="0.7"/>
<body name="finger" pos="0 0 0.0584">
<joint name="panda_finger_joint1" type="slide" axis="0 1 0" range="0 0.04"/>
<geom type="sphere" size="0.01"/></body>
<site name="panda_tool" pos="0 0 {_TOOL}"/></body>{"</body>" * 7}</body></worldbody></mujoco>"""


def urdf():
    inertia = '<inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>'
    inertial = f'<inertial><mass value="2"/>{inertia}</inertial>'
    text = '<link name="world"/><joint name="mount" type="fixed"><parent link="world"/>'
    text += '<child link="panda_link0"/><origin xyz="0.2 -0.1 0.7" rpy="0 0 0.5"/></joint>'
    text += '<link name="panda_link0"/>'
    for i, (offset, turn) in enumerate(_LINKS):
        text += (
            f'<joint name="{JOINTS[i]}" type="revolute"><parent link="panda_link{i}"/>'
            f'<child link="panda_link{i + 1}"/>'
            f'<origin xyz="{offset[0]} {offset[1]} {offset[2]}" rpy="{turn} 0 0"/>'
            '<axis xyz="0 0 1"/>'
            f'<limit lower="{LOWER[i]}" upper="{UPPER[i]}" velocity="2.5" effort="87"/></joint>'
            f'<link name="panda_link{i + 1}">{inertial}</link>'
        )
    text += (
        '<joint name="hand" type="fixed"><parent link="panda_link7"/><child link="panda_hand"/>'
        f'<origin xyz="0 0 {_FLANGE}" rpy="0 0 {-math.pi / 4}"/></joint><link name="panda_hand"/>'
        '<joint name="tool" type="fixed"><parent link="panda_hand"/><child link="panda_tool"/>'
        f'<origin xyz="0 0 {_TOOL}"/></joint><link name="panda_tool"/>'
        '<joint name="panda_finger_joint1" type="prismatic"><parent link="panda_hand"/><child link="finger"/>'
        f'<axis xyz="0 1 0"/><limit lower="0" upper="0.04" velocity="0.2" effort="20"/></joint>'
        f'<link name="finger">{inertial}</link>'
    )
    return f'<?xml version="1.0"?><robot name="panda">{text}</robot>'
