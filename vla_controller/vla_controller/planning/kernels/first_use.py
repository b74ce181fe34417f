"""What numba does when it first sees a type, done before the first chunk comes."""

from __future__ import annotations

import numpy as np
from numba import typeof

from vla_controller.planning.kernels.curve import ToolLimits
from vla_controller.planning.kernels.follow import StepLimits, Steps


def know_types(chain: tuple) -> None:
    """Shows numba each kind of named tuple that the kernels take: finding out about one takes milliseconds, once in a process.

    chain: of an arm's model.
    """
    some = np.zeros(1)
    limits, tool = StepLimits(0.0, 0.0, *[some] * 5), ToolLimits(some, some, 0.0, 0.0, 0.0, 0.0)
    for example in (chain, limits, tool, Steps(0, 1.0, False)):
        typeof(example)
