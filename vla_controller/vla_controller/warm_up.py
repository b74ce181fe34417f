"""Compiles everything that planning needs, once on a machine: `python -m vla_controller.warm_up`.

Else the first controller that starts does so, which takes a minute or two. What is compiled is kept in `__pycache__`
beside its source; where that cannot be written, in the user's cache folder.
"""

from __future__ import annotations

import time

from vla_contract.printing import tell

_ARM = """<robot name="arm"><link name="base"/>
<joint name="joint" type="revolute"><parent link="base"/><child link="tool"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" velocity="1" effort="1"/></joint>
<link name="tool"><collision><geometry><sphere radius="0.1"/></geometry></collision></link></robot>"""


def main() -> None:
    """Says how long it took."""
    started = time.monotonic()
    import numpy as np

    from vla_controller.controller import ChunkController  # noqa: F401  with the kernels of planning
    from vla_motion.collision import CollisionModel
    from vla_motion.kernels import sample  # noqa: F401
    from vla_motion.model import RobotModel

    model = RobotModel.from_urdf(_ARM, ["joint"], "tool", "base")
    CollisionModel.from_description(_ARM, model, self_collision=True, table_height=0.0).minimum_distance(np.zeros(1))
    tell(f"kernels are compiled ({time.monotonic() - started:.0f} s)")


if __name__ == "__main__":
    main()
