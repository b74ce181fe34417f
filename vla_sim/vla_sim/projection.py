"""From points of the scene to places in a camera's image."""

from __future__ import annotations

import mujoco
import numpy as np


def project_point(model: mujoco.MjModel, data: mujoco.MjData, camera: str, position: np.ndarray) -> np.ndarray:
    """Where a point of the base frame [m] is in a square image: x to the right, y down, -1 to 1 from edge to edge.

    Shape (2,); NaN where it is out of view. What stands before it is not looked at.
    """
    index = model.camera(camera).id
    right, down, back = data.cam_xmat[index].reshape(3, 3).T * np.array([[1.0], [-1.0], [1.0]])
    offset = np.asarray(position) - data.cam_xpos[index]
    depth = -float(back @ offset)
    if depth <= 0.0:
        return np.full(2, np.nan)
    scale = depth * np.tan(np.radians(model.cam_fovy[index]) / 2)
    seen = np.array([right @ offset, down @ offset]) / scale
    return seen if np.all(np.abs(seen) <= 1.0) else np.full(2, np.nan)
