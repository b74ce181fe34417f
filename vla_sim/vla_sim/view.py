"""Images for people: the scene redrawn from recorded joint positions and object poses, at any size and quality."""

from __future__ import annotations

import mujoco
import numpy as np

from vla_sim.rendering import new_renderer
from vla_sim.scene import OBJECTS, scene_assets, scene_mjcf


class SceneView:
    """Draws recorded states.

    Args:
        size: Height and width of the image [px].
        detail: See `scene_mjcf`: `plain`, `textured` or `full`.
    """

    def __init__(self, size: tuple[int, int] = (480, 640), *, detail: str = "full") -> None:
        self._model = mujoco.MjModel.from_xml_string(scene_mjcf(detail), scene_assets())
        self._data = mujoco.MjData(self._model)
        self._renderer = new_renderer(self._model, *size)
        self._free = {name: self._model.joint(f"{name}_free").qposadr[0] for name in OBJECTS}

    def draw(self, joints: dict[str, float], objects: dict[str, np.ndarray], camera: str = "overview") -> np.ndarray:
        """One image, RGB, (height, width, 3) uint8.

        Args:
            joints: Positions by joint name [rad, m]; `panda_finger_joint1` moves both fingers.
            objects: Pose by object name: x, y, z [m], qx, qy, qz, qw. Objects that are not named are not drawn.
            camera: `overview`, `front` or `wrist`.
        """
        for name, position in joints.items():
            self._data.qpos[self._model.joint(name).qposadr[0]] = position
        if "panda_finger_joint1" in joints:
            self._data.qpos[self._model.joint("panda_finger_joint2").qposadr[0]] = joints["panda_finger_joint1"]
        for name, start in self._free.items():
            pose = np.asarray(objects.get(name, (0.0, 0.0, -4.0, 0.0, 0.0, 0.0, 1.0)), dtype=float)
            self._data.qpos[start : start + 3] = pose[:3]
            self._data.qpos[start + 3 : start + 7] = np.roll(pose[3:], 1)
        mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, camera)
        return self._renderer.render()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()
