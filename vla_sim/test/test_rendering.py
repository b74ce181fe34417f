"""What else a process may load beside a renderer."""

import os
import subprocess
import sys

RENDERS = """
import mujoco
from vla_sim.rendering import new_renderer

model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='.1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = new_renderer(model, 8, 8)
renderer.update_scene(data)
print(renderer.render().shape)
"""


def test_triton_is_loaded_before_the_first_renderer(tmp_path):
    """A stand-in for it: that of torch for CUDA crashes where mujoco.Renderer has been made before."""
    (tmp_path / "triton.py").write_text("import mujoco\nprint('triton', hasattr(mujoco, 'made'))\n")
    watched = "import mujoco\nmake = mujoco.Renderer\n"
    watched += "def made(*size):\n    mujoco.made = True\n    return make(*size)\nmujoco.Renderer = made\n"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", watched + RENDERS], capture_output=True, text=True, timeout=100,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.stdout == "triton False\n(8, 8, 3)\n", done.stdout + done.stderr
