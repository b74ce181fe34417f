"""How far a measured position lies outside of the commanded motion of the last moments."""

from __future__ import annotations

import numpy as np
from numba import njit

from vla_motion.kernels.sample import sample_segments


@njit("void(int64[::1], float64[:,:,::1], float64[:,::1], int64[::1], float64[::1], float64[::1])", cache=True)
def outside_of_motion(times_ns, coefficients, q, instants_ns, measured, out):
    """out (J,): from measured (J,) to the range of the commanded positions at these instants; negative inside.

    times_ns (N,), coefficients (N - 1, 6, J) and q (N, J): of the motion, which stands still before and after.
    """
    count, joints = len(instants_ns), q.shape[1]
    samples = np.empty((3, count, joints))
    for i in range(count):
        row = 0 if instants_ns[i] < times_ns[0] else len(times_ns) - 1
        for j in range(joints):
            samples[0, i, j] = q[row, j]
    sample_segments(times_ns, coefficients, instants_ns, samples)
    for j in range(joints):
        low = high = samples[0, 0, j]
        for i in range(1, count):
            low, high = min(low, samples[0, i, j]), max(high, samples[0, i, j])
        out[j] = max(low - measured[j], measured[j] - high)
