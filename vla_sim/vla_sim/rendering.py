"""Off-screen renderers, made so that a policy can be loaded in the same process afterwards."""

from __future__ import annotations

import contextlib
import importlib

import mujoco


def new_renderer(model: mujoco.MjModel, height: int, width: int) -> mujoco.Renderer:
    """A renderer of images (height, width) [px].

    Where triton is installed, as torch for CUDA brings it, it is imported first: it holds an LLVM of its own, and crashes
    the process (SIGSEGV) when it is loaded after that of Mesa's software renderer; the other way round both work.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton")
    return mujoco.Renderer(model, height, width)
