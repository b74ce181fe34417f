"""Renders one frame without a display, with the backend that MUJOCO_GL names. Fails where the frame is empty."""

import mujoco

SCENE = """
<mujoco>
  <worldbody>
    <light pos="0 0 2"/>
    <geom type="sphere" size="0.2" rgba="0.8 0.2 0.1 1"/>
    <camera name="camera" pos="0 -1 0" xyaxes="1 0 0 0 0 1"/>
  </worldbody>
</mujoco>
"""

model = mujoco.MjModel.from_xml_string(SCENE)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 96, 96) as renderer:
    renderer.update_scene(data, camera="camera")
    frame = renderer.render()
if frame.max() == frame.min():
    raise SystemExit("the frame is empty")
