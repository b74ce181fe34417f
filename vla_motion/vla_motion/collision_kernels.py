"""Compiled lower bounds of distances between convex shapes that move along quintics.

Every bound here is rigorous: a separation measured along any direction is a lower bound of the (signed) distance of two
convex shapes, whatever direction is tried.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["BOX", "CAPSULE", "CONVEX", "CYLINDER", "ELLIPSOID", "pair_bounds", "prove", "variation"]

CAPSULE, CYLINDER, BOX, ELLIPSOID, CONVEX = range(5)  # a sphere is a capsule of length 0
_ITERATIONS = 16  # of the search for the separating direction
_ROUNDING = 1e-9  # [m] more than the rounding of all that is computed here
_LOOSE = 0.1  # share of a distance above the floor that need not be found
_DEPTH = 40  # of bisection inside one segment
_HOPELESS = 5e-5  # [m] above the margin, where bisection is left to exact distances

# Scalars and indices instead of slices: in functions as small as these a view of an array costs more than the sums.
_options = {"cache": True, "error_model": "numpy"}


@njit(**_options)
def _frames_at(q, chain, R, t):
    """Poses of the joints' frames at q (J,), written to R (J + 1, 3, 3) and t (J + 1, 3); row 0 is the base."""
    prismatic, P, o = chain
    for i in range(3):
        t[0, i] = 0.0
        for j in range(3):
            R[0, i, j] = 1.0 if i == j else 0.0
    for k in range(len(q)):
        c, s = (1.0, 0.0) if prismatic[k] else (math.cos(q[k]), math.sin(q[k]))
        along = q[k] if prismatic[k] else 0.0
        for i in range(3):
            a0, a1, a2 = R[k, i, 0], R[k, i, 1], R[k, i, 2]
            x = a0 * P[k, 0, 0] + a1 * P[k, 1, 0] + a2 * P[k, 2, 0]
            y = a0 * P[k, 0, 1] + a1 * P[k, 1, 1] + a2 * P[k, 2, 1]
            z = a0 * P[k, 0, 2] + a1 * P[k, 1, 2] + a2 * P[k, 2, 2]
            t[k + 1, i] = t[k, i] + a0 * o[k, 0] + a1 * o[k, 1] + a2 * o[k, 2] + along * z
            R[k + 1, i, 0], R[k + 1, i, 1], R[k + 1, i, 2] = c * x + s * y, c * y - s * x, z


@njit(**_options)
def _cover_at(s, shapes, R, t, E):
    """Ends of the cover of shape s in the base frame, written to E[s] (6,)."""
    joint, ends = shapes[0], shapes[2]
    k = joint[s]
    for i in range(3):
        E[s, i] = t[k, i] + R[k, i, 0] * ends[s, 0, 0] + R[k, i, 1] * ends[s, 0, 1] + R[k, i, 2] * ends[s, 0, 2]
        E[s, 3 + i] = t[k, i] + R[k, i, 0] * ends[s, 1, 0] + R[k, i, 1] * ends[s, 1, 1] + R[k, i, 2] * ends[s, 1, 2]


@njit(**_options)
def _between(E, a, b):
    """Separation [m] of the axes of two covers, rigorous, and the vector from a to b between their closest points."""
    ax, ay, az, bx, by, bz = E[a, 0], E[a, 1], E[a, 2], E[b, 0], E[b, 1], E[b, 2]
    ux, uy, uz = E[a, 3] - ax, E[a, 4] - ay, E[a, 5] - az
    vx, vy, vz = E[b, 3] - bx, E[b, 4] - by, E[b, 5] - bz
    wx, wy, wz = bx - ax, by - ay, bz - az
    uu, vv, uv = ux * ux + uy * uy + uz * uz, vx * vx + vy * vy + vz * vz, ux * vx + uy * vy + uz * vz
    uw, vw = ux * wx + uy * wy + uz * wz, vx * wx + vy * wy + vz * wz
    # the closest points are at s on a and r on b, in [0, 1]
    determinant = uu * vv - uv * uv
    s = 0.0
    if determinant > 1e-12 * uu * vv:
        s = min(max((uw * vv - uv * vw) / determinant, 0.0), 1.0)
    r = min(max((s * uv - vw) / vv, 0.0), 1.0) if vv > 0.0 else 0.0
    s = min(max((r * uv + uw) / uu, 0.0), 1.0) if uu > 0.0 else 0.0
    r = min(max((s * uv - vw) / vv, 0.0), 1.0) if vv > 0.0 else 0.0
    nx, ny, nz = wx + r * vx - s * ux, wy + r * vy - s * uy, wz + r * vz - s * uz
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length < 1e-9:
        return 0.0, nx, ny, nz
    # measured along n, which is rigorous even where rounding spoiled the closest points
    first, second = (wx * nx + wy * ny + wz * nz), (ux * nx + uy * ny + uz * nz)
    third = vx * nx + vy * ny + vz * nz
    return (first + min(third, 0.0) - max(second, 0.0)) / length, nx, ny, nz


@njit(**_options)
def _pose_at(s, slot, shapes, R, t, work):
    """Pose of shape s in the base frame, written to work[slot] (3, 4)."""
    joint, shape_R, shape_t = shapes[0], shapes[4], shapes[5]
    k = joint[s]
    for i in range(3):
        a0, a1, a2 = R[k, i, 0], R[k, i, 1], R[k, i, 2]
        for j in range(3):
            work[slot, i, j] = a0 * shape_R[s, 0, j] + a1 * shape_R[s, 1, j] + a2 * shape_R[s, 2, j]
        work[slot, i, 3] = t[k, i] + a0 * shape_t[s, 0] + a1 * shape_t[s, 1] + a2 * shape_t[s, 2]


@njit(**_options)
def _support(s, slot, shapes, work, nx, ny, nz):
    """The point of shape s, posed at work[slot], that lies farthest along n."""
    kind, size, vertices, first, count = shapes[1][s], shapes[6], shapes[7], shapes[8][s], shapes[9][s]
    # n in the axes of the shape
    lx = work[slot, 0, 0] * nx + work[slot, 1, 0] * ny + work[slot, 2, 0] * nz
    ly = work[slot, 0, 1] * nx + work[slot, 1, 1] * ny + work[slot, 2, 1] * nz
    lz = work[slot, 0, 2] * nx + work[slot, 1, 2] * ny + work[slot, 2, 2] * nz
    px = py = pz = 0.0
    if kind == CAPSULE:
        length = math.sqrt(lx * lx + ly * ly + lz * lz)
        k = size[s, 0] / length if length > 0.0 else 0.0
        px, py = k * lx, k * ly
        pz = k * lz + (size[s, 1] if lz > 0.0 else -size[s, 1])
    elif kind == CYLINDER:
        length = math.sqrt(lx * lx + ly * ly)
        k = size[s, 0] / length if length > 0.0 else 0.0
        px, py = k * lx, k * ly
        pz = size[s, 1] if lz > 0.0 else -size[s, 1]
    elif kind == BOX:
        px = size[s, 0] if lx > 0.0 else -size[s, 0]
        py = size[s, 1] if ly > 0.0 else -size[s, 1]
        pz = size[s, 2] if lz > 0.0 else -size[s, 2]
    elif kind == ELLIPSOID:
        ax, ay, az = size[s, 0] ** 2 * lx, size[s, 1] ** 2 * ly, size[s, 2] ** 2 * lz
        length = math.sqrt(ax * lx + ay * ly + az * lz)
        k = 1.0 / length if length > 0.0 else 0.0
        px, py, pz = k * ax, k * ay, k * az
    else:
        best = -np.inf
        for i in range(first, first + count):
            along = vertices[i, 0] * lx + vertices[i, 1] * ly + vertices[i, 2] * lz
            if along > best:
                best = along
                px, py, pz = vertices[i, 0], vertices[i, 1], vertices[i, 2]
    return (
        work[slot, 0, 3] + work[slot, 0, 0] * px + work[slot, 0, 1] * py + work[slot, 0, 2] * pz,
        work[slot, 1, 3] + work[slot, 1, 0] * px + work[slot, 1, 1] * py + work[slot, 1, 2] * pz,
        work[slot, 2, 3] + work[slot, 2, 0] * px + work[slot, 2, 1] * py + work[slot, 2, 2] * pz,
    )


@njit(**_options)
def _bound(a, b, enough, floor, shapes, table, R, t, E, work):
    """Lower bound [m] of the signed distance of shapes a and b (b < 0: the table), posed by R, t and E.

    Better bounds are sought only until one exceeds enough, or is above floor and near to the best that can be had.
    """
    kind, radius = shapes[1], shapes[3]
    if b < 0:
        bound = min(E[a, 2], E[a, 5]) - radius[a] - table - _ROUNDING
        if bound > enough or kind[a] == CAPSULE:
            return bound
        _pose_at(a, 0, shapes, R, t, work)
        return _support(a, 0, shapes, work, 0.0, 0.0, -1.0)[2] - table - _ROUNDING
    apart, x, y, z = _between(E, a, b)
    bound = apart - radius[a] - radius[b] - _ROUNDING
    if bound > enough or (kind[a] == CAPSULE and kind[b] == CAPSULE):
        return bound
    _pose_at(a, 0, shapes, R, t, work)
    _pose_at(b, 1, shapes, R, t, work)
    if x * x + y * y + z * z < 1e-18:
        x, y, z = work[1, 0, 3] - work[0, 0, 3], work[1, 1, 3] - work[0, 1, 3], work[1, 2, 3] - work[0, 2, 3]
    # Gilbert's algorithm (SIAM J. Control 4, 1966): x, y, z runs to the point of the difference b - a that is nearest
    # to the origin. It begins with such a point, for the axes of the covers lie in the shapes.
    for _ in range(_ITERATIONS):
        length = math.sqrt(x * x + y * y + z * z)
        if length < 1e-9:
            break
        nx, ny, nz = x / length, y / length, z / length
        ax, ay, az = _support(a, 0, shapes, work, nx, ny, nz)
        bx, by, bz = _support(b, 1, shapes, work, -nx, -ny, -nz)
        sx, sy, sz = bx - ax, by - ay, bz - az
        gap = sx * nx + sy * ny + sz * nz - _ROUNDING
        bound = max(bound, gap)
        # the distance itself is at most length
        if bound > enough or length - bound < 1e-6 + _LOOSE * max(bound - floor, 0.0):
            break
        dx, dy, dz = sx - x, sy - y, sz - z
        dd = dx * dx + dy * dy + dz * dz
        if dd <= 0.0:
            break
        step = min(max(-(x * dx + y * dy + z * dz) / dd, 0.0), 1.0)
        x, y, z = x + step * dx, y + step * dy, z + step * dz
    return bound


@njit(**_options)
def pair_bounds(q, pairs, chain, shapes, table, spread):
    """Lower bounds (P,) [m] of the signed distances of pairs (P, 2) at q (J,).

    Bounds that exceed the smallest so far by more than spread [m] are not improved any further.
    """
    R, t = np.empty((len(q) + 1, 3, 3)), np.empty((len(q) + 1, 3))
    E, work = np.empty((len(shapes[0]), 6)), np.empty((2, 3, 4))
    _frames_at(q, chain, R, t)
    for s in range(len(E)):
        _cover_at(s, shapes, R, t, E)
    bounds = np.empty(len(pairs))
    for p in range(len(pairs)):  # from the covers alone
        bounds[p] = _bound(pairs[p, 0], pairs[p, 1], -np.inf, np.inf, shapes, table, R, t, E, work)
    smallest = np.inf
    if len(pairs):
        p = np.argmin(bounds)
        smallest = _bound(pairs[p, 0], pairs[p, 1], np.inf, np.inf, shapes, table, R, t, E, work)
    for p in range(len(pairs)):
        if bounds[p] <= smallest + spread:
            bounds[p] = _bound(pairs[p, 0], pairs[p, 1], smallest + spread, np.inf, shapes, table, R, t, E, work)
            smallest = min(smallest, bounds[p])
    return bounds


@njit(**_options)
def _fastest(C, n, j, a, b):
    """Bound of |dq/dt| over [a, b] for joint j of segment n of C, from the Bernstein form of its derivative."""
    v0, v1, v2, v3, v4 = C[n, 1, j], 2.0 * C[n, 2, j], 3.0 * C[n, 3, j], 4.0 * C[n, 4, j], 5.0 * C[n, 5, j]
    # velocity in powers of (t - a), then of (t - a) / (b - a)
    c0 = v0 + a * (v1 + a * (v2 + a * (v3 + a * v4)))
    c1 = v1 + a * (2.0 * v2 + a * (3.0 * v3 + 4.0 * a * v4))
    c2 = v2 + a * (3.0 * v3 + 6.0 * a * v4)
    c3 = v3 + 4.0 * a * v4
    h = b - a
    c1, c2, c3, c4 = c1 * h, c2 * h * h, c3 * h * h * h, v4 * h * h * h * h
    largest = max(abs(c0), abs(c0 + c1 / 4.0))
    largest = max(largest, abs(c0 + c1 / 2.0 + c2 / 6.0))
    largest = max(largest, abs(c0 + 3.0 * c1 / 4.0 + c2 / 2.0 + c3 / 4.0))
    return max(largest, abs(c0 + c1 + c2 + c3 + c4))


@njit(**_options)
def _position(C, n, j, t):
    return C[n, 0, j] + t * (C[n, 1, j] + t * (C[n, 2, j] + t * (C[n, 3, j] + t * (C[n, 4, j] + t * C[n, 5, j]))))


@njit(**_options)
def variation(C, n, a, b, levers, p):
    """Bound [m] of how far the shapes of pair p move against each other over [a, b] of segment n of C (N, 6, J)."""
    total = 0.0
    for j in range(levers.shape[1]):
        if levers[p, j] > 0.0:
            total += levers[p, j] * _fastest(C, n, j, a, b)
    return total * (b - a)


@njit(**_options)
def _prove_cell(C, n, b, d_a, d_b, moved, margin, pairs, levers, p, chain, shapes, table, R, t, E, q, work):
    """Whether pair p stays clear over [0, b] of segment n; d_a, d_b: its bounds there, both at least margin."""
    a, first, second = 0.0, pairs[p, 0], pairs[p, 1]
    times, bounds = np.empty(_DEPTH + 1), np.empty(_DEPTH + 1)
    # the stack holds the right ends still to be reached, nearest last
    times[0], bounds[0], top = b, d_b, 0
    while top >= 0:
        if moved < d_a + bounds[top] - 2.0 * margin:
            a, d_a = times[top], bounds[top]
            top -= 1
            if top >= 0:
                moved = variation(C, n, a, times[top], levers, p)
            continue
        if top == _DEPTH:
            return False
        middle = 0.5 * (a + times[top])
        for j in range(len(q)):
            q[j] = _position(C, n, j, middle)
        _frames_at(q, chain, R, t)
        _cover_at(first, shapes, R, t, E)
        if second >= 0:
            _cover_at(second, shapes, R, t, E)
        d = _bound(first, second, margin + 0.5 * moved, margin, shapes, table, R, t, E, work)
        if d < margin + _HOPELESS:
            return False
        top += 1
        times[top], bounds[top] = middle, d
        moved = variation(C, n, a, middle, levers, p)
    return True


@njit(**_options)
def _weighted(levers, p, swept, left, right):
    total = 0.0
    for j in range(levers.shape[1]):
        total += levers[p, j] * (swept[right, j] - swept[left, j])
    return total


@njit(**_options)
def prove(C, durations, pairs, levers, margins, starts, hurry, chain, shapes, table, found, first_bounds):
    """Proves that pairs keep their margins along quintics C (N, 6, J) of these durations (N,) [s].

    margins (P,) [m]. starts (P,) [m]: distances known at the very start, -inf where none is. What cannot be proven is
    written to found (P * N, 2): pair and segment; the number of rows is returned. Pairs below their margin at the very
    start are left out: first_bounds (P,) [m] tells. hurry: a segment with a pair unproven ends the search of that pair,
    and later ones are not looked at any more.
    """
    segments, joints, count = len(durations), C.shape[2], len(shapes[0])
    R, t = np.empty((segments + 2, joints + 1, 3, 3)), np.empty((segments + 2, joints + 1, 3))
    E, work = np.empty((segments + 2, count, 6)), np.empty((2, 3, 4))
    swept = np.zeros((segments + 1, joints))  # bound of each joint's path length up to the start of a segment
    q = np.empty(joints)
    for node in range(segments + 1):
        for j in range(joints):
            if node == 0:
                q[j] = C[0, 0, j]
                continue
            T = durations[node - 1]
            end = _position(C, node - 1, j, T)
            q[j] = C[node, 0, j] if node < segments else end
            # a step between two segments is a movement too
            swept[node, j] = swept[node - 1, j] + T * _fastest(C, node - 1, j, 0.0, T) + abs(end - q[j])
        _frames_at(q, chain, R[node], t[node])
        for s in range(count):
            _cover_at(s, shapes, R[node], t[node], E[node])
    spare = segments + 1
    unproven, last = 0, segments
    bounds, stack = np.empty(segments + 1), np.empty(segments + 1, dtype=np.int64)
    for p in range(len(pairs)):
        a, b, margin = pairs[p, 0], pairs[p, 1], margins[p]
        whole = _weighted(levers, p, swept, 0, last)
        bounds[0] = max(_bound(a, b, margin + 0.5 * whole, margin, shapes, table, R[0], t[0], E[0], work), starts[p])
        first_bounds[p] = bounds[0]
        if bounds[0] < margin or bounds[0] - margin > whole:
            continue
        bounds[last] = _bound(a, b, margin + 0.5 * whole, margin, shapes, table, R[last], t[last], E[last], work)
        # the stack holds the right ends still to be reached, nearest last
        stack[0], top, left = last, 0, 0
        while top >= 0:
            right = stack[top]
            moved = _weighted(levers, p, swept, left, right)
            clear = moved < bounds[left] + bounds[right] - 2.0 * margin
            if not clear and right - left > 1:
                middle = (left + right) // 2
                bounds[middle] = _bound(
                    a, b, margin + 0.5 * moved, margin, shapes, table, R[middle], t[middle], E[middle], work
                )  # fmt: skip
                top += 1
                stack[top] = middle
                continue
            if not clear and bounds[left] >= margin and bounds[right] >= margin:
                clear = _prove_cell(
                    C, left, durations[left], bounds[left], bounds[right], moved, margin, pairs, levers, p,
                    chain, shapes, table, R[spare], t[spare], E[spare], q, work,
                )  # fmt: skip
            if not clear:
                found[unproven, 0], found[unproven, 1] = p, left
                unproven += 1
                if hurry:
                    last = left + 1
                    break
            left = right
            top -= 1
    return unproven
