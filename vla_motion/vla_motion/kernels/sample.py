"""Segments between knots: their coefficients, and samples of them."""

from __future__ import annotations

import numpy as np
from numba import float64, njit, types, void

_KNOTS = types.Array(float64, 2, "A", readonly=True)


@njit(void(float64[::1], _KNOTS, _KNOTS, _KNOTS, float64[:, :, ::1]), cache=True)
def join_quintics(durations, p, v, a, out):
    """out (N - 1, 6, J): coefficients in powers of seconds of the quintics between knots p, v, a (N, J), durations (N - 1,) [s].

    The terms of vla_motion.spline.quintic_coefficients in their order: the same to the bit.
    """
    for k in range(len(durations)):
        T = durations[k]
        T2 = T * T
        T3 = T2 * T
        for j in range(p.shape[1]):
            p0, v0, a0, v1, a1 = p[k, j], v[k, j], a[k, j], v[k + 1, j], a[k + 1, j]
            d = p[k + 1, j] - p0
            out[k, 0, j], out[k, 1, j], out[k, 2, j] = p0, v0, 0.5 * a0
            out[k, 3, j] = (20.0 * d - (12.0 * v0 + 8.0 * v1) * T - (3.0 * a0 - a1) * T2) / (2.0 * T3)
            out[k, 4, j] = (-30.0 * d + (16.0 * v0 + 14.0 * v1) * T + (3.0 * a0 - 2.0 * a1) * T2) / (2.0 * T3 * T)
            out[k, 5, j] = (12.0 * d - 6.0 * (v0 + v1) * T + (a1 - a0) * T2) / (2.0 * T3 * T2)


@njit("void(int64[::1], float64[:,:,::1], float64[:,:,::1], int64[::1], float64[:,:,::1])", cache=True)
def sample_segments(times_ns, coefficients, ends, t_ns, out):
    """out (3, M, J): position, velocity, acceleration at t_ns (M,).

    times_ns (N,): knots. coefficients (N - 1, 6, J) in powers of seconds since each segment's knot. ends (2, 3, J): what holds
    before the first knot, and from the last one on.
    """
    count, joints = len(times_ns), ends.shape[2]
    for m in range(len(t_ns)):
        if t_ns[m] < times_ns[0] or t_ns[m] >= times_ns[count - 1]:
            outside = 0 if t_ns[m] < times_ns[0] else 1
            for i in range(3):
                for j in range(joints):
                    out[i, m, j] = ends[outside, i, j]
            continue
        k = np.searchsorted(times_ns, t_ns[m], side="right") - 1
        t = (t_ns[m] - times_ns[k]) * 1e-9
        C = coefficients[k]
        for j in range(joints):
            c0, c1, c2, c3, c4, c5 = C[0, j], C[1, j], C[2, j], C[3, j], C[4, j], C[5, j]
            out[0, m, j] = c0 + t * (c1 + t * (c2 + t * (c3 + t * (c4 + t * c5))))
            out[1, m, j] = c1 + t * (2.0 * c2 + t * (3.0 * c3 + t * (4.0 * c4 + t * (5.0 * c5))))
            out[2, m, j] = 2.0 * c2 + t * (6.0 * c3 + t * (12.0 * c4 + t * (20.0 * c5)))
