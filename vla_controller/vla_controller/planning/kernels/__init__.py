"""The inner loops of planning, compiled by numba. Types are written out: nothing is ever compiled while an arm moves."""

from vla_motion.kernels.keeping import make_room


def _probe() -> None: ...


make_room(_probe)
