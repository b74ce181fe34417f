"""The Panda of panda.py with collision shapes: capsules, cylinders and boxes; fingers; and a scene around it."""

from __future__ import annotations

import math

import numpy as np
import panda

from vla_motion.collision import CollisionModel
from vla_motion.model import RobotModel

_GEOMS = {
    1: '<geom type="capsule" fromto="0 0 -0.17 0 0 0" size="0.066"/>'
    '<geom type="cylinder" fromto="0 -0.075 0 0 0.075 0" size="0.056"/>',
    2: '<geom type="capsule" fromto="0 0 0 0 -0.17 0" size="0.062"/>',
    3: '<geom type="capsule" fromto="0 0 -0.115 0.02 0 -0.04" size="0.06"/>'
    '<geom type="cylinder" fromto="0.0825 -0.07 0 0.0825 0.07 0" size="0.05"/>',
    4: '<geom type="ellipsoid" pos="-0.04 0.04 0" size="0.09 0.07 0.054"/>'
    '<geom type="cylinder" fromto="-0.0825 0.09 0 -0.0825 0.125 0" size="0.058"/>',
    5: '<geom type="capsule" fromto="0 0 -0.24 0 0.03 -0.12" size="0.052"/>',
    6: '<geom type="cylinder" fromto="0 0 -0.06 0 0 0.06" size="0.046"/>'
    '<geom type="sphere" pos="0.08 0 0" size="0.045"/>',
    7: '<geom type="cylinder" fromto="0 0 -0.03 0 0 0.107" size="0.044"/>',
}


def mjcf(extra: str = "") -> str:
    """MJCF text; extra: more elements below <mujoco>."""
    opened = ""
    for i, (offset, turn) in enumerate(panda._LINKS):
        opened += (
            f'<body name="panda_link{i + 1}" pos="{offset[0]} {offset[1]} {offset[2]}" euler="{turn} 0 0">'
            f'<joint name="{panda.JOINTS[i]}" axis="0 0 1" range="{panda.LOWER[i]} {panda.UPPER[i]}"/>{_GEOMS[i + 1]}'
        )
    return f"""<mujoco><compiler angle="radian"/>{extra}
<worldbody><geom type="plane" size="1 1 0.1"/>
<body name="block" pos="0.5 0 0.1"><freejoint/><geom type="box" size="0.3 0.3 0.3"/></body>
<body name="panda_link0"><geom type="cylinder" fromto="0 0 0 0 0 0.14" size="0.085"/>{opened}
<body name="panda_hand" pos="0 0 {panda._FLANGE}" euler="0 0 {-math.pi / 4}">
<geom name="palm" type="box" pos="0 0 0.033" size="0.022 0.1 0.033"/>
<geom name="logo" type="sphere" pos="0 0 0.5" size="0.1" contype="0" conaffinity="0"/>
<body name="finger" pos="0 0 0.0584"><joint name="panda_finger_joint1" type="slide" axis="0 1 0" range="0 0.04"/>
<geom type="box" pos="0 0 0.027" size="0.01 0.02 0.027"/></body>
<site name="panda_tool" pos="0 0 {panda._TOOL}"/></body>{"</body>" * 7}</body></worldbody></mujoco>"""


def collision(*, self_collision: bool = True, table_height: float | None = 0.0, extra: str = "") -> CollisionModel:
    """Collision model of that arm."""
    model = RobotModel.from_mjcf(mjcf(extra), panda.JOINTS, "panda_tool", "panda_link0")
    return CollisionModel.from_description(
        mjcf(extra), model, self_collision=self_collision, table_height=table_height
    )


def random_curve(rng: np.random.Generator, q: np.ndarray, segments: int, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Quintics (N, 6, J) that begin at q (J,) and wander, at most about speed [rad/s], and durations (N,) [s]."""
    from vla_motion.spline import quintic_coefficients

    durations = rng.uniform(0.05, 0.15, segments)
    velocity = np.concatenate([np.zeros((1, len(q))), rng.uniform(-speed, speed, (segments, len(q)))])
    velocity[-1] = 0.0
    acceleration = rng.uniform(-2, 2, velocity.shape)
    position = q + np.concatenate(
        [np.zeros((1, len(q))), np.cumsum(0.5 * durations[:, None] * (velocity[:-1] + velocity[1:]), axis=0)]
    )
    knots = (position, velocity, acceleration)
    begin, end = [knot[:-1] for knot in knots], [knot[1:] for knot in knots]
    C = quintic_coefficients(durations[:, None], *begin, *end)
    return np.ascontiguousarray(C.transpose(1, 0, 2)), durations
