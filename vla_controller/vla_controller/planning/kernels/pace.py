"""How far along its way a motion gets, that may be no faster than the limits and is late for its steps."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_CATCH_UP = 0.8  # of the acceleration is counted on where what is late comes near to its step
_BRAKES, _HARDEST = 0.9, 1.2  # of the acceleration, at the end of the time, and at most


@njit(
    "int64(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64, float64, int64, "
    "float64[::1])",
    cache=True,
)
def keep_pace(ends, speeds, accelerations, corners, since, due, speed, dt, brake, out):
    """out (N,): length of the way that is done at dt, 2 dt, ...; returns after how many it is at rest, N where it is not.

    ends (K,): length up to the end of each part. speeds, accelerations (K,): the most in it. corners (K,): the most speed at its
    end. since, due (K,) [s]: from when to when each part is asked for; never sooner. speed: at the start. brake: from this index
    on it comes to rest. In units of length and seconds.
    """
    K = len(ends)
    leaves = np.empty(K)  # speed at the end of each part from which what follows can be kept to
    leaves[K - 1] = 0.0
    for k in range(K - 2, -1, -1):
        room = ends[k + 1] - ends[k]
        leaves[k] = min(corners[k], speeds[k], speeds[k + 1], math.sqrt(leaves[k + 1] ** 2 + 2.0 * accelerations[k + 1] * room))
    length, part, wish = 0.0, 0, 0
    for n in range(len(out)):
        now = (n + 1) * dt
        while part < K - 1 and length >= ends[part]:
            part += 1
        while wish < K and due[wish] <= now:
            wish += 1
        asked, rate = ends[K - 1], 0.0
        if wish < K:
            asked = ends[wish - 1] if wish > 0 else 0.0
            if now > since[wish]:
                rate = (ends[wish] - asked) / max(due[wish] - since[wish], 1e-9)
                asked += rate * (now - since[wish])
        a = accelerations[part]
        behind = max(asked - length - speed * dt, 0.0)
        most = min(speeds[part], math.sqrt(leaves[part] ** 2 + 2.0 * a * max(ends[part] - length, 0.0)))
        most = min(most, rate + math.sqrt(2.0 * _CATCH_UP * a * behind))
        if n >= brake:
            most = min(most, speed - _BRAKES * a * dt)
        speed = max(min(speed + a * dt, most), speed - _HARDEST * a * dt, 0.0)
        length = min(length + speed * dt, ends[K - 1])
        out[n] = length
        if length >= ends[K - 1] - 1e-9 or (n >= brake and speed <= 0.0):
            for m in range(n + 1, len(out)):
                out[m] = length
            return n + 1
    return len(out)
