"""Samples of segments joined at knots."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit("void(int64[::1], float64[:,:,::1], int64[::1], float64[:,:,::1])", cache=True)
def sample_segments(times_ns, coefficients, t_ns, out):
    """out (3, M, J): position, velocity, acceleration at t_ns (M,).

    times_ns (N,): knots. coefficients (N - 1, 6, J) in powers of seconds since each segment's knot. Rows before the
    first and from the last knot on are left as they are.
    """
    count, joints = len(times_ns), coefficients.shape[2]
    for m in range(len(t_ns)):
        if t_ns[m] < times_ns[0] or t_ns[m] >= times_ns[count - 1]:
            continue
        k = np.searchsorted(times_ns, t_ns[m], side="right") - 1
        t = (t_ns[m] - times_ns[k]) * 1e-9
        C = coefficients[k]
        for j in range(joints):
            c0, c1, c2, c3, c4, c5 = C[0, j], C[1, j], C[2, j], C[3, j], C[4, j], C[5, j]
            out[0, m, j] = c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * c5))))
            out[1, m, j] = c1 + t * (2.0 * c2 + t * (3.0 * c3 + t * (4.0 * c4 + t * (5.0 * c5))))
            out[2, m, j] = 2.0 * c2 + t * (6.0 * c3 + t * (12.0 * c4 + t * (20.0 * c5)))
