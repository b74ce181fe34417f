"""Positions that are measured, or told, against the commanded motion of the moments around them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from vla_motion.kernels.sample import sample_segments


@njit("void(int64[::1], float64[:,:,::1], float64[:,:,::1], int64[::1], float64[::1], float64[::1])", cache=True)
def outside_of_motion(times_ns, coefficients, ends, instants_ns, measured, out):
    """out (J,): from measured (J,) to the range of the commanded positions at these instants; negative inside.

    times_ns (N,), coefficients (N - 1, 6, J) and ends (2, 3, J): of the motion, see sample_segments.
    """
    count, joints = len(instants_ns), ends.shape[2]
    samples = np.empty((3, count, joints))
    sample_segments(times_ns, coefficients, ends, instants_ns, samples)
    for j in range(joints):
        low = high = samples[0, 0, j]
        for i in range(1, count):
            low, high = min(low, samples[0, i, j]), max(high, samples[0, i, j])
        out[j] = max(low - measured[j], measured[j] - high)


@njit("float64(float64[:,:,::1], int64, int64, float64[::1], float64, float64)", cache=True)
def _way_not_planned(planned, count, first, moved, noise, share):
    """By how much moved (J,) is beyond the ways between two rows of planned (3, M, J) that are count apart, noise and a share
    of the way left out; negative: by none."""
    worst = -math.inf
    for j in range(len(moved)):
        least, most = math.inf, -math.inf
        for i in range(count):
            way = planned[0, count + i, first + j] - planned[0, i, first + j]
            least, most = min(least, way), max(most, way)
        slack = noise + share * max(abs(least), abs(most))
        worst = max(worst, least - slack - moved[j], moved[j] - most - slack)
    return worst


@njit("void(float64[:,:,::1], int64, int64, float64[::1], float64[::1])", cache=True)
def _nearest_segment(planned, count, first, q, out):
    """out (3,): which of the lines between the rows of planned (3, M, J) from row count on, as many, is nearest to q (J,), and at
    which share of it; how far q is from there; and the length of that line, squared."""
    out[1] = math.inf
    for i in range(count - 1):
        length = along = 0.0
        for j in range(len(q)):
            begin = planned[0, count + i, first + j]
            way = planned[0, count + i + 1, first + j] - begin
            length += way * way
            along += (q[j] - begin) * way
        share = min(max(along / max(length, 1e-30), 0.0), 1.0)
        left = 0.0
        for j in range(len(q)):
            begin = planned[0, count + i, first + j]
            left = max(left, abs(q[j] - begin - share * (planned[0, count + i + 1, first + j] - begin)))
        if left < out[1]:
            out[0], out[1], out[2] = i + share, left, length


@njit(
    "void(int64[::1], float64[:,:,::1], float64[:,:,::1], int64, int64[::1], int64[::1], float64[::1], float64[::1],"
    " float64, float64, float64, float64[::1])",
    cache=True,
)
def along_motion(times_ns, coefficients, ends, first, around_ns, stamps_ns, before, q, noise, share, jitter, out):
    """What two positions, before and q (K,), of joints from the first on tell of how they go with the motion.

    times_ns, coefficients, ends: of the motion, see sample_segments. around_ns (A,): instants around a stamp at which it may have
    been taken. stamps_ns (3,): of before, of q, and of the instant that q is believed to be of, give or take jitter [s].

    out (6,): by how much the way between the two is none that the motion makes between instants that far apart, less noise and
    a share of the way; where in around_ns the motion is nearest to q, by index and fraction; how far q is from there; the
    squared way between the two instants there; the fastest joint at the believed instant; how far q is from there.
    """
    count = len(around_ns)
    instants = np.empty(2 * count + 1, np.int64)
    for i in range(count):
        instants[i], instants[count + i] = stamps_ns[0] + around_ns[i], stamps_ns[1] + around_ns[i]
    instants[2 * count] = stamps_ns[2]
    planned = np.empty((3, 2 * count + 1, ends.shape[2]))
    sample_segments(times_ns, coefficients, ends, instants, planned)
    out[0] = _way_not_planned(planned, count, first, q - before, noise, share)
    _nearest_segment(planned, count, first, q, out[1:4])
    out[4], out[5] = 0.0, -math.inf
    for j in range(len(q)):
        speed = abs(planned[1, 2 * count, first + j])
        out[4] = max(out[4], speed)
        out[5] = max(out[5], abs(q[j] - planned[0, 2 * count, first + j]) - speed * jitter)
