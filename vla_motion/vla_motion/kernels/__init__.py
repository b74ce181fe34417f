"""The inner loops, compiled by numba.

Every function has its types written out, so that it is compiled once, when it is first imported, and kept in
`__pycache__`; none is ever compiled while an arm moves. Arrays are C-contiguous float64. What they compute is checked
against Pinocchio in the tests.
"""

from vla_motion.kernels.keeping import announce, make_room


def _probe() -> None: ...


announce()
make_room(_probe)
