"""Arms to fuzz with, from the manufacturers' published numbers: as text for the controller, as numbers for the checker.

The bodies are capsules. As MJCF the controller sees the same capsules; as URDF, which has none, it sees cylinders that
enclose them. So what the checker calls a collision is one in either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Capsule:
    """A body's shape: a segment from ``start`` to ``end`` [m] in frame ``link``, grown by ``radius`` [m].

    link: 0 is the base, i the frame that joint i turns, J + 1 the tool's mount.
    """

    link: int
    start: Vector
    end: Vector
    radius: float


@dataclass(frozen=True)
class Robot:
    """A serial arm of J joints about z.

    links (J): offset [m], then turn about x [rad], of each joint's frame in the one before. mount: from the last joint's
    frame to the hand, offset and turn about z. tool: offset of the tool in the hand. The limits (J,) are the maker's
    [rad, s]; spread (J,): how far from home an episode may begin. apart: links with fewer joints than this between them meet
    in those, and are never said to collide.
    """

    name: str
    links: tuple[tuple[Vector, float], ...]
    mount: tuple[Vector, float]
    tool: Vector
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    velocity: tuple[float, ...]
    acceleration: tuple[float, ...]
    jerk: tuple[float, ...]
    home: tuple[float, ...]
    spread: tuple[float, ...]
    capsules: tuple[Capsule, ...]
    apart: int = 2
    above_table: int = 3
    """Links from this one on must stay above the table."""
    turning: tuple[int, ...] = ()
    """Joints, by index, that the description lets turn for ever; lower and upper are then the card's alone."""

    @property
    def joint_count(self) -> int:
        return len(self.links)

    def joint_names(self, prefix: str) -> list[str]:
        return [f"{prefix}_joint{i + 1}" for i in range(self.joint_count)]

    def pairs(self, apart: int | None = None) -> list[tuple[int, int]]:
        """Pairs of capsules, by index, that must never touch. apart: in place of the robot's own."""
        least = self.apart if apart is None else apart
        last = self.joint_count

        def order(capsule: Capsule) -> int:  # the hand moves with the last joint
            return min(capsule.link, last)

        shapes = self.capsules
        return [
            (i, j)
            for i in range(len(shapes))
            for j in range(i + 1, len(shapes))
            if order(shapes[j]) - order(shapes[i]) >= least
        ]


PANDA = Robot(
    name="panda",
    links=(
        ((0.0, 0.0, 0.333), 0.0),
        ((0.0, 0.0, 0.0), -math.pi / 2),
        ((0.0, -0.316, 0.0), math.pi / 2),
        ((0.0825, 0.0, 0.0), math.pi / 2),
        ((-0.0825, 0.384, 0.0), -math.pi / 2),
        ((0.0, 0.0, 0.0), math.pi / 2),
        ((0.088, 0.0, 0.0), math.pi / 2),
    ),
    mount=((0.0, 0.0, 0.107), -math.pi / 4),
    tool=(0.0, 0.0, 0.1034),
    lower=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    upper=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    velocity=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
    acceleration=(15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0),
    jerk=(7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0),
    home=(0.0, -0.45, 0.0, -2.35, 0.0, 1.9, 0.7854),
    spread=(0.5, 0.3, 0.4, 0.3, 0.4, 0.4, 0.8),
    capsules=(
        Capsule(0, (-0.05, 0.0, 0.06), (0.0, 0.0, 0.08), 0.055),
        Capsule(1, (0.0, 0.0, -0.15), (0.0, 0.0, 0.0), 0.055),
        Capsule(2, (0.0, 0.0, 0.0), (0.0, -0.17, 0.0), 0.055),
        Capsule(3, (0.0, 0.0, -0.10), (0.0825, 0.0, 0.0), 0.050),
        Capsule(4, (0.0, 0.0, 0.0), (-0.0825, 0.08, 0.0), 0.050),
        Capsule(5, (0.0, 0.0, -0.24), (0.0, 0.03, -0.12), 0.050),
        Capsule(6, (0.01, 0.0, 0.0), (0.08, 0.0, 0.0), 0.040),
        Capsule(7, (0.0, 0.0, -0.03), (0.0, 0.0, 0.06), 0.040),
        Capsule(8, (0.0, -0.075, 0.033), (0.0, 0.075, 0.033), 0.025),
    ),
)

UR5E = Robot(
    name="ur5e",
    links=(
        ((0.0, 0.0, 0.1625), 0.0),
        ((0.0, 0.0, 0.0), math.pi / 2),
        ((-0.425, 0.0, 0.0), 0.0),
        ((-0.3922, 0.0, 0.1333), 0.0),
        ((0.0, 0.0, 0.0997), math.pi / 2),
        ((0.0, 0.0, 0.0), -math.pi / 2),
    ),
    mount=((0.0, 0.0, 0.0996), 0.0),
    tool=(0.0, 0.0, 0.12),
    lower=(-6.2832, -6.2832, -3.1416, -6.2832, -6.2832, -6.2832),
    upper=(6.2832, 6.2832, 3.1416, 6.2832, 6.2832, 6.2832),
    velocity=(3.1416,) * 6,
    acceleration=(13.0, 13.0, 13.0, 20.0, 20.0, 20.0),
    jerk=(2000.0, 2000.0, 2000.0, 4000.0, 4000.0, 4000.0),
    home=(0.0, -1.5, 1.9, -1.97, -1.5708, 0.0),
    spread=(0.5, 0.3, 0.3, 0.4, 0.4, 0.8),
    capsules=(
        Capsule(0, (0.0, 0.0, 0.05), (0.0, 0.0, 0.08), 0.045),
        Capsule(1, (0.0, 0.0, -0.03), (0.0, 0.0, 0.0), 0.050),
        Capsule(2, (0.0, 0.0, 0.12), (-0.425, 0.0, 0.12), 0.050),
        Capsule(3, (0.0, 0.0, 0.02), (-0.3922, 0.0, 0.02), 0.040),
        Capsule(4, (0.0, 0.0, -0.01), (0.0, 0.0, 0.01), 0.025),
        Capsule(5, (0.0, 0.0, -0.01), (0.0, 0.0, 0.01), 0.025),
        Capsule(6, (0.0, 0.0, -0.01), (0.0, 0.0, 0.0), 0.025),
        Capsule(7, (0.0, -0.05, 0.03), (0.0, 0.05, 0.03), 0.025),
    ),
)  # fmt: skip



def _turning(robot: Robot) -> Robot:
    """The same with a last joint that turns for ever: about the tool's own axis, so that nothing moves away with it."""
    last = robot.joint_count - 1
    return replace(
        robot, name=f"{robot.name}_turning", lower=(*robot.lower[:last], -6.2), upper=(*robot.upper[:last], 6.2), turning=(last,)
    )


TURNING = {robot.name: _turning(robot) for robot in (PANDA, UR5E)}
"""By the name of the robot that each is made from."""
ROBOTS = {robot.name: robot for robot in (PANDA, UR5E, *TURNING.values())}


def _numbers(values) -> str:
    return " ".join(repr(float(value)) for value in values)


def mjcf(robot: Robot, prefix: str) -> str:
    """The arm as MJCF, with its capsules."""

    def geoms(link: int) -> str:
        return "".join(
            f'<geom type="capsule" fromto="{_numbers((*c.start, *c.end))}" size="{c.radius}"/>'
            for c in robot.capsules
            if c.link == link
        )

    def limits(i: int) -> str:
        return 'limited="false"' if i in robot.turning else f'limited="true" range="{robot.lower[i]} {robot.upper[i]}"'

    text = f'<body name="{prefix}_link0">{geoms(0)}'
    for i, (offset, turn) in enumerate(robot.links):
        text += (
            f'<body name="{prefix}_link{i + 1}" pos="{_numbers(offset)}" '
            f'quat="{_numbers((math.cos(turn / 2), math.sin(turn / 2), 0, 0))}">'
            f'<joint name="{prefix}_joint{i + 1}" axis="0 0 1" {limits(i)}/>'
            f"{geoms(i + 1)}"
        )
    offset, turn = robot.mount
    text += (
        f'<body name="{prefix}_hand" pos="{_numbers(offset)}" '
        f'quat="{_numbers((math.cos(turn / 2), 0, 0, math.sin(turn / 2)))}">{geoms(robot.joint_count + 1)}'
        f'<site name="{prefix}_tool" pos="{_numbers(robot.tool)}"/></body>'
    )
    text += "</body>" * (robot.joint_count + 1)
    return f'<mujoco model="{prefix}"><compiler angle="radian"/><worldbody>{text}</worldbody></mujoco>'


def _cylinder(capsule: Capsule) -> str:
    """A URDF cylinder that encloses the capsule."""
    start, end = np.array(capsule.start), np.array(capsule.end)
    along, middle = end - start, (start + end) / 2.0
    length = float(np.linalg.norm(along))
    x, y, z = along / length
    rpy = (0.0, math.acos(max(-1.0, min(1.0, z))), math.atan2(y, x))  # turns z onto the segment
    return (
        f'<collision><origin xyz="{_numbers(middle)}" rpy="{_numbers(rpy)}"/><geometry>'
        f'<cylinder radius="{capsule.radius}" length="{length + 2.0 * capsule.radius}"/></geometry></collision>'
    )


def urdf(robot: Robot, prefix: str) -> str:
    """The arm as URDF, with cylinders around its capsules."""
    inertial = (
        '<inertial><mass value="2"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>'
    )

    def link(name: str, index: int) -> str:
        shapes = "".join(_cylinder(c) for c in robot.capsules if c.link == index)
        return f'<link name="{prefix}_{name}">{inertial if index else ""}{shapes}</link>'

    def joint(name: str, kind: str, parent: str, child: str, xyz, rpy, more: str = "") -> str:
        return (
            f'<joint name="{prefix}_{name}" type="{kind}"><parent link="{prefix}_{parent}"/>'
            f'<child link="{prefix}_{child}"/><origin xyz="{_numbers(xyz)}" rpy="{_numbers(rpy)}"/>{more}</joint>'
        )

    text = link("link0", 0)
    for i, (offset, turn) in enumerate(robot.links):
        kind = "continuous" if i in robot.turning else "revolute"
        bounds = "" if i in robot.turning else f'lower="{robot.lower[i]}" upper="{robot.upper[i]}" '
        limit = f'<limit {bounds}velocity="{robot.velocity[i]}" effort="80"/>'
        text += joint(
            f"joint{i + 1}", kind, f"link{i}", f"link{i + 1}", offset, (turn, 0, 0), f'<axis xyz="0 0 1"/>{limit}'
        )
        text += link(f"link{i + 1}", i + 1)
    last = f"link{robot.joint_count}"
    text += joint("mount", "fixed", last, "hand", robot.mount[0], (0, 0, robot.mount[1]))
    text += link("hand", robot.joint_count + 1)
    text += joint("tool_mount", "fixed", "hand", "tool", robot.tool, (0, 0, 0))
    return f'<robot name="{prefix}">{text}<link name="{prefix}_tool"/></robot>'
