"""Convex shapes of an arm's links, and what encloses them."""

from __future__ import annotations

from dataclasses import dataclass, field

import coal
import numpy as np

from vla_motion import collision_kernels as kernels
from vla_motion.model_error import ModelError

__all__ = ["Shape", "ShapeSet", "convex_hull", "outline", "packed"]


@dataclass(frozen=True)
class Shape:
    """One convex shape.

    body: the link that it belongs to. joint: 0 for the base, else the number of the chain joint that moves it, from 1.
    placement (4, 4): its pose in that joint's frame of RobotModel.pin_model (the base frame for 0).
    """

    body: str
    name: str
    joint: int
    geometry: coal.CollisionGeometry
    placement: np.ndarray


@dataclass(frozen=True)
class ShapeSet:
    """shapes of one arm, and the pairs of bodies that its description excludes from contact."""

    shapes: list[Shape]
    excluded: frozenset[frozenset[str]] = field(default_factory=frozenset)


def convex_hull(points: np.ndarray) -> coal.Convex:
    """Convex hull of points (N, 3) [m]. Raises ModelError where they lie in a plane."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        raise ModelError(f"the {len(points)} points of a mesh span no volume") from None
    index = np.full(len(points), -1)
    index[hull.vertices] = np.arange(len(hull.vertices))
    centre = points[hull.vertices].mean(axis=0)
    vertices, triangles = coal.StdVec_Vec3s(), coal.StdVec_Triangle()
    for vertex in points[hull.vertices]:
        vertices.append(np.ascontiguousarray(vertex, dtype=np.float64))
    for a, b, c in hull.simplices:
        outward = np.cross(points[b] - points[a], points[c] - points[a]) @ (points[a] - centre) > 0
        a, b, c = (int(index[i]) for i in ((a, b, c) if outward else (a, c, b)))
        triangles.append(coal.Triangle(a, b, c))
    return coal.Convex(vertices, triangles)


def outline(shape: Shape) -> tuple[int, np.ndarray, float]:
    """The joint, points (N, 3) in its frame, and the radius [m] by which they are widened to enclose the shape."""
    geometry, R, t = shape.geometry, shape.placement[:3, :3], shape.placement[:3, 3]
    if isinstance(geometry, coal.Box):
        points, radius = np.array(np.meshgrid(*([-h, h] for h in geometry.halfSide))).reshape(3, 8).T, 0.0
    elif isinstance(geometry, coal.Convex):
        points, radius = np.array(geometry.points()), 0.0
    else:
        points, radius = _cover(geometry)
    return shape.joint, points @ R.T + t, radius


def _cover(geometry: coal.CollisionGeometry) -> tuple[np.ndarray, float]:
    """Ends (2, 3) and radius [m] of a capsule that holds the shape, its segment inside the shape."""
    if isinstance(geometry, coal.Sphere):
        axis, radius = np.zeros(3), geometry.radius
    elif isinstance(geometry, (coal.Capsule, coal.Cylinder)):
        axis, radius = np.array([0.0, 0.0, geometry.halfLength]), geometry.radius
    elif isinstance(geometry, coal.Box):
        half = np.array(geometry.halfSide)
        longest = int(np.argmax(half))
        axis = half * (np.arange(3) == longest)
        radius = float(np.linalg.norm(np.delete(half, longest)))
    elif isinstance(geometry, coal.Ellipsoid):
        radii = np.array(geometry.radii)
        longest = int(np.argmax(radii))
        radius = float(np.delete(radii, longest).max())
        axis = (radii - radius) * (np.arange(3) == longest)
    else:
        points = np.array(geometry.points())
        centre = points.mean(axis=0)
        direction = np.linalg.svd(points - centre, full_matrices=False)[2][0]
        along = (points - centre) @ direction
        radius = float(np.linalg.norm(points - centre - np.outer(along, direction), axis=1).max())
        return centre + np.outer([along.min(), along.max()], direction), radius
    return np.array([-axis, axis]), float(radius)


def packed(shapes: list[Shape]) -> tuple[np.ndarray, ...]:
    """Shapes as the arrays that the kernels read."""
    kinds = {
        coal.Sphere: kernels.CAPSULE,
        coal.Capsule: kernels.CAPSULE,
        coal.Cylinder: kernels.CYLINDER,
        coal.Box: kernels.BOX,
        coal.Ellipsoid: kernels.ELLIPSOID,
    }
    count = len(shapes)
    kind, radius = np.full(count, kernels.CONVEX), np.zeros(count)
    ends, size = np.zeros((count, 2, 3)), np.zeros((count, 3))
    start, length = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    vertices: list[np.ndarray] = []
    for s, shape in enumerate(shapes):
        geometry = shape.geometry
        kind[s] = kinds.get(type(geometry), kernels.CONVEX)
        cover, radius[s] = _cover(geometry)
        ends[s] = cover @ shape.placement[:3, :3].T + shape.placement[:3, 3]
        if isinstance(geometry, coal.Box):
            size[s] = geometry.halfSide
        elif isinstance(geometry, coal.Ellipsoid):
            size[s] = geometry.radii
        elif isinstance(geometry, coal.Convex):
            points = np.array(geometry.points())
            start[s], length[s] = sum(map(len, vertices)), len(points)
            vertices.append(points)
        else:
            size[s] = geometry.radius, getattr(geometry, "halfLength", 0.0), 0.0
    joint = np.array([shape.joint for shape in shapes], dtype=np.int64)
    R = np.array([shape.placement[:3, :3] for shape in shapes]).reshape(-1, 3, 3)
    t = np.array([shape.placement[:3, 3] for shape in shapes]).reshape(-1, 3)
    points = np.concatenate(vertices) if vertices else np.zeros((0, 3))
    return joint, kind, ends, radius, R, t, size, points, start, length
