"""Paths between two positions of an arm around what is in the way.

Bidirectional search: RRT-Connect (Kuffner and LaValle, ICRA 2000), then shortcuts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

__all__ = ["plan_path"]

_STEP = 0.4  # [rad] longest new branch of a tree
_SHORTCUTS = 60  # random ones tried on a path that was found


class _Tree:
    """Positions (N, J) that a straight line joins to their parents; the first is the root."""

    def __init__(self, root: np.ndarray, capacity: int) -> None:
        self._nodes = np.empty((capacity + 1, len(root)))
        self._nodes[0] = root
        self._parents = [-1]

    def nearest(self, q: np.ndarray) -> int:
        offsets = self._nodes[: len(self._parents)] - q
        return int(np.argmin(np.einsum("ij,ij->i", offsets, offsets)))

    def position(self, node: int) -> np.ndarray:
        return self._nodes[node]

    def full(self) -> bool:
        return len(self._parents) == len(self._nodes)

    def add(self, q: np.ndarray, parent: int) -> int:
        self._nodes[len(self._parents)] = q
        self._parents.append(parent)
        return len(self._parents) - 1

    def path(self, node: int) -> list[np.ndarray]:
        """From the root to the node."""
        path = []
        while node >= 0:
            path.append(self._nodes[node].copy())
            node = self._parents[node]
        return path[::-1]


def plan_path(
    start: np.ndarray,
    goal: np.ndarray,
    free: Callable[[np.ndarray], bool],
    edge_free: Callable[[np.ndarray, np.ndarray], bool],
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    seed: int = 0,
    max_iterations: int = 5000,
    time_limit: float = 2.0,
) -> list[np.ndarray] | None:
    """Waypoints (J,) [rad] from start to goal with straight lines between them that edge_free accepts, or None.

    free(q): whether the arm may be there; the start need not be. edge_free(qa, qb): whether the straight line in joint
    space from qa to qb is free. lower, upper (J,) [rad]: where waypoints may lie; where they are infinite, half a turn
    beyond start and goal. The straight line is tried first. The same seed gives the same path, unless time_limit [s]
    ends the search. None also where the goal is not free or outside the limits. Raises ValueError for values that are
    not finite or whose shapes differ.
    """
    start, goal, lower, upper = (np.array(value, dtype=np.float64) for value in (start, goal, lower, upper))
    if start.ndim != 1 or any(value.shape != start.shape for value in (goal, lower, upper)):
        shapes = ", ".join(str(value.shape) for value in (start, goal, lower, upper))
        raise ValueError(f"start, goal, lower and upper have shapes {shapes}, allowed is the same (J,) for all")
    if not math.isfinite(start.sum() + goal.sum()):
        raise ValueError("start or goal is not finite")
    deadline = time.monotonic() + time_limit
    if (goal < lower).any() or (goal > upper).any() or not free(goal):
        return None
    if edge_free(start, goal):
        return [start, goal]
    low = np.where(np.isfinite(lower), lower, np.minimum(start, goal) - np.pi)
    high = np.where(np.isfinite(upper), upper, np.maximum(start, goal) + np.pi)
    rng = np.random.default_rng(seed)
    from_start, from_goal = _Tree(start, max_iterations), _Tree(goal, max_iterations)
    growing, other = from_start, from_goal
    for _ in range(max_iterations):
        if time.monotonic() > deadline or from_start.full() or from_goal.full():
            return None
        sample = rng.uniform(low, high)
        new, _ = _extend(growing, sample, free, edge_free)
        if new is not None:
            target = growing.position(new)
            met, arrived = _connect(other, target, free, edge_free, deadline)
            if arrived:
                ends = {id(growing): new, id(other): met}
                path = from_start.path(ends[id(from_start)]) + from_goal.path(ends[id(from_goal)])[::-1][1:]
                return _shortened(path, edge_free, rng, deadline)
        growing, other = other, growing
    return None


def _extend(tree: _Tree, target: np.ndarray, free, edge_free, node: int | None = None) -> tuple[int | None, bool]:
    """A new node one step from the tree's nearest (or the given) node to target, and whether it is the target."""
    nearest = tree.nearest(target) if node is None else node
    origin = tree.position(nearest)
    change = target - origin
    length = float(np.linalg.norm(change))
    arrives = length <= _STEP
    q = target if arrives else origin + _STEP / length * change
    if tree.full() or not free(q) or not edge_free(origin, q):
        return None, False
    return tree.add(q, nearest), arrives


def _connect(tree: _Tree, target: np.ndarray, free, edge_free, deadline: float) -> tuple[int | None, bool]:
    """Extends the tree straight to target as far as that is free."""
    node, last, arrived = None, None, False
    while not arrived and time.monotonic() < deadline:
        node, arrived = _extend(tree, target, free, edge_free, last)
        if node is None:
            break
        last = node
    return last, arrived


def _shortened(path: list[np.ndarray], edge_free, rng: np.random.Generator, deadline: float) -> list[np.ndarray]:
    """The same path with detours cut: first between waypoints, then between random points of it."""
    short, at = [path[0]], 0
    while at < len(path) - 1:
        following = len(path) - 1
        while following > at + 1 and (time.monotonic() > deadline or not edge_free(path[at], path[following])):
            following -= 1
        short.append(path[following])
        at = following
    for _ in range(_SHORTCUTS):
        if len(short) < 3 or time.monotonic() > deadline:
            break
        first, second = np.sort(rng.choice(len(short) - 1, 2, replace=False))
        a = short[first] + rng.uniform() * (short[first + 1] - short[first])
        b = short[second] + rng.uniform() * (short[second + 1] - short[second])
        if edge_free(a, b) and edge_free(short[first], a) and edge_free(b, short[second + 1]):
            candidate = [*short[: first + 1], a, b, *short[second + 1 :]]
            if _length(candidate) < _length(short) - 1e-6:
                short = candidate
    # waypoints that the cuts have left on straight lines
    at = 1
    while at < len(short) - 1 and time.monotonic() < deadline:
        if edge_free(short[at - 1], short[at + 1]):
            del short[at]
        else:
            at += 1
    return short


def _length(path: list[np.ndarray]) -> float:
    return float(sum(np.linalg.norm(b - a) for a, b in zip(path[:-1], path[1:])))
