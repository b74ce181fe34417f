"""The tabletop scene as MJCF: robot, table, objects, lights and cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.86, 0.10, 0.10),
    "green": (0.10, 0.62, 0.18),
    "blue": (0.10, 0.25, 0.86),
    "yellow": (0.95, 0.80, 0.08),
    "purple": (0.52, 0.12, 0.66),
}
"""Block colours by name, linear RGB in [0, 1]."""

BLOCK_HALF = 0.02
"""Half edge of a block [m]."""
CUP_RADIUS, CUP_HEIGHT = 0.030, 0.075
"""Outer radius and height of the cup [m]."""
COASTER_RADIUS, COASTER_HEIGHT = 0.05, 0.008
"""Radius and height of the coaster [m]."""
BOWL_RADIUS, BOWL_HEIGHT = 0.075, 0.045
"""Inner radius at the floor and wall height of the bowl [m]."""


@dataclass(frozen=True)
class ObjectSpec:
    """A movable object of the scene.

    Attributes:
        name: Body name; its free joint is `<name>_free`.
        rest_height: Height of the body origin above the table when it stands [m].
        footprint: Radius of the circle that it covers on the table [m].
        yaw_period: Angle after which it looks the same about the vertical [rad]; 0 when round.
    """

    name: str
    rest_height: float
    footprint: float
    yaw_period: float


OBJECTS: dict[str, ObjectSpec] = {
    **{f"{c}_block": ObjectSpec(f"{c}_block", BLOCK_HALF, BLOCK_HALF * math.sqrt(2), math.pi / 2) for c in COLORS},
    "bowl": ObjectSpec("bowl", 0.0, BOWL_RADIUS + 0.012, 0.0),
    "coaster": ObjectSpec("coaster", 0.0, COASTER_RADIUS, 0.0),
    "cup": ObjectSpec("cup", 0.0, CUP_RADIUS, 0.0),
}


def robot_mjcf() -> str:
    """MJCF text of the Panda alone: the model that the controller loads."""
    return resources.files("vla_sim").joinpath("assets/panda.xml").read_text()


def _rgba(rgb: tuple[float, float, float]) -> str:
    return " ".join(f"{c:.3f}" for c in (*rgb, 1.0))


def _block(color: str) -> str:
    return (
        f'<body name="{color}_block"><freejoint name="{color}_block_free"/>'
        f'<geom name="{color}_block" type="box" size="{BLOCK_HALF} {BLOCK_HALF} {BLOCK_HALF}" mass="0.06" '
        f'rgba="{_rgba(COLORS[color])}" class="object"/></body>'
    )


def _bowl(sides: int = 16) -> str:
    """A round wall of boxes on a disc: concave, so that a block can really lie inside."""
    parts = [
        f'<geom name="bowl_floor" type="cylinder" pos="0 0 0.004" size="{BOWL_RADIUS} 0.004" mass="0.25" class="bowl"/>'
    ]
    radius = BOWL_RADIUS + 0.006
    half_width = radius * math.tan(math.pi / sides) + 0.001
    for k in range(sides):
        angle = 2 * math.pi * k / sides
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        parts.append(
            f'<geom type="box" pos="{x:.5f} {y:.5f} {BOWL_HEIGHT / 2}" euler="{angle:.5f} 0.15 0" '
            f'size="0.004 {half_width:.5f} {BOWL_HEIGHT / 2}" mass="0.012" class="bowl"/>'
        )
    return '<body name="bowl"><freejoint name="bowl_free"/>' + "".join(parts) + "</body>"


def _cup() -> str:
    half = CUP_HEIGHT / 2
    return (
        '<body name="cup"><freejoint name="cup_free"/>'
        f'<geom name="cup" type="cylinder" pos="0 0 {half}" size="{CUP_RADIUS} {half}" mass="0.12" '
        'rgba="0.96 0.95 0.90 1" class="object"/>'
        f'<geom type="cylinder" pos="0 0 {CUP_HEIGHT}" size="{CUP_RADIUS * 0.84} 0.0006" mass="0" '
        'rgba="0.25 0.16 0.10 1" class="decoration"/>'
        f'<geom type="capsule" fromto="{CUP_RADIUS} 0 {half * 1.5} {CUP_RADIUS + 0.014} 0 {half}" size="0.004" mass="0" '
        'rgba="0.90 0.88 0.82 1" class="decoration"/>'
        f'<geom type="capsule" fromto="{CUP_RADIUS} 0 {half * 0.5} {CUP_RADIUS + 0.014} 0 {half}" size="0.004" mass="0" '
        'rgba="0.90 0.88 0.82 1" class="decoration"/></body>'
    )


def _coaster() -> str:
    half = COASTER_HEIGHT / 2
    return (
        '<body name="coaster"><freejoint name="coaster_free"/>'
        f'<geom name="coaster" type="cylinder" pos="0 0 {half}" size="{COASTER_RADIUS} {half}" mass="0.15" '
        'rgba="0.55 0.33 0.14 1" class="object"/>'
        f'<geom type="cylinder" pos="0 0 {COASTER_HEIGHT}" size="{COASTER_RADIUS * 0.8} 0.0004" mass="0" '
        'rgba="0.70 0.48 0.25 1" class="decoration"/></body>'
    )


_TEXTURES = """
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.86 0.89 0.93" rgb2="0.62 0.68 0.75" width="64" height="64"/>
    <texture name="wood" type="2d" builtin="flat" mark="random" random="0.08" rgb1="0.72 0.62 0.50" markrgb="0.66 0.55 0.43"
             width="256" height="256"/>
    <texture name="floor" type="2d" builtin="checker" rgb1="0.48 0.50 0.53" rgb2="0.44 0.46 0.49" width="128" height="128"/>
"""


_QUALITY = {
    "plain": 'shadowsize="0" offsamples="0" numslices="12" numstacks="6" numquads="1"',
    "textured": 'shadowsize="0" offsamples="4"',
    "full": 'shadowsize="4096" offsamples="8"',
}


@lru_cache(maxsize=4)
def scene_mjcf(detail: str = "plain") -> str:
    """MJCF of the whole scene; the robot is included as `panda.xml` (pass `scene_assets()` beside it).

    Args:
        detail: What is drawn. `plain` is what policies see, `textured` adds textures and smooth edges, `full` shadows as
            well. On a CPU these are nearly all of the rendering time, so they are for people.
    """
    textures = "" if detail == "plain" else _TEXTURES
    wood, floor = 'texture="wood"', 'texture="floor"'
    if detail == "plain":
        wood, floor = 'rgba="0.72 0.62 0.50 1"', 'rgba="0.46 0.48 0.51 1"'
    blocks = "".join(_block(color) for color in COLORS)
    return f"""
<mujoco model="tabletop">
  <include file="panda.xml"/>
  <compiler angle="radian" autolimits="true" eulerseq="zyx"/>
  <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="8" iterations="30" ls_iterations="20"/>
  <visual>
    <global offwidth="1280" offheight="960"/>
    <quality {_QUALITY[detail]}/>
    <headlight ambient="0.42 0.42 0.42" diffuse="0.28 0.28 0.28" specular="0 0 0"/>
    <map znear="0.01" zfar="20"/>
  </visual>
  <default>
    <default class="object"><geom condim="4" friction="0.8 0.01 0.0005" solref="0.01 1"/></default>
    <default class="bowl"><geom condim="3" friction="0.7 0.01 0.0005" rgba="0.16 0.45 0.50 1"/></default>
    <default class="decoration"><geom contype="0" conaffinity="0"/></default>
  </default>
  <asset>
    {textures}
    <material name="wood" {wood} texrepeat="1 1" specular="0.1" shininess="0.1"/>
    <material name="floor" {floor} texrepeat="8 8"/>
  </asset>
  <worldbody>
    <light name="key" pos="0.9 -0.9 1.9" dir="-0.3 0.55 -1" diffuse="0.62 0.62 0.60" specular="0.15 0.15 0.15"/>
    <geom name="floor" type="plane" pos="0 0 -0.75" size="4 4 0.1" material="floor"/>
    <geom name="table" type="box" pos="0.35 0 -0.02" size="0.65 0.6 0.02" material="wood" condim="4" friction="0.8 0.01 0.0005"/>
    <geom type="box" pos="0.35 0 -0.395" size="0.06 0.06 0.355" rgba="0.35 0.36 0.38 1" class="decoration"/>
    <camera name="front" pos="1.06 0 0.60" xyaxes="0 1 0 -0.650 0 0.760" fovy="46"/>
    <camera name="overview" pos="1.25 -0.85 0.75" xyaxes="0.72 0.69 0 -0.32 0.335 0.886" fovy="42"/>
    {blocks}{_bowl()}{_cup()}{_coaster()}
  </worldbody>
</mujoco>"""


def scene_assets() -> dict[str, bytes]:
    """Files that `scene_mjcf` includes, by name."""
    return {"panda.xml": robot_mjcf().encode()}
