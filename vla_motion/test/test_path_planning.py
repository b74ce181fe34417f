import time

import collision_panda
import numpy as np
import panda
import pytest

from vla_motion.collision import MARGIN
from vla_motion.path_planning import plan_path

HOME = np.array(panda.HOME)
LOW, HIGH = np.full(2, -1.0), np.full(2, 1.0)


def wall_free(q):
    """A wall in the middle with a gap near the top."""
    return not (abs(q[0]) < 0.1 and q[1] < 0.7)


def wall_edge_free(a, b):
    return all(wall_free(a + s * (b - a)) for s in np.linspace(0, 1, 200))


def assert_joins(path, start, goal, edge_free):
    np.testing.assert_array_equal(path[0], start)
    np.testing.assert_array_equal(path[-1], goal)
    assert all(edge_free(a, b) for a, b in zip(path[:-1], path[1:]))


def test_the_straight_line_is_preferred():
    start, goal = np.array([-0.5, 0.9]), np.array([0.5, 0.9])
    path = plan_path(start, goal, wall_free, wall_edge_free, LOW, HIGH, seed=0)
    assert len(path) == 2
    assert_joins(path, start, goal, wall_edge_free)


@pytest.mark.parametrize("seed", range(5))
def test_a_wall_is_gone_around_without_much_of_a_detour(seed):
    start, goal = np.array([-0.8, -0.5]), np.array([0.8, -0.5])
    path = plan_path(start, goal, wall_free, wall_edge_free, LOW, HIGH, seed=seed)
    assert_joins(path, start, goal, wall_edge_free)
    assert len(path) > 2 and all((LOW <= q).all() and (q <= HIGH).all() for q in path)
    length = sum(np.linalg.norm(b - a) for a, b in zip(path[:-1], path[1:]))
    assert length < 1.35 * (2 * np.hypot(0.7, 1.2) + 0.2)  # the shortest way over the wall's two corners
    again = plan_path(start, goal, wall_free, wall_edge_free, LOW, HIGH, seed=seed)
    np.testing.assert_array_equal(path, again)


def test_where_there_is_no_way_none_is_claimed():
    def closed(q):
        return abs(q[0]) >= 0.1

    def closed_edge(a, b):
        return all(closed(a + s * (b - a)) for s in np.linspace(0, 1, 200))

    start, goal = np.array([-0.8, -0.5]), np.array([0.8, -0.5])
    assert plan_path(start, goal, closed, closed_edge, LOW, HIGH, max_iterations=50) is None
    began = time.monotonic()
    assert plan_path(start, goal, closed, closed_edge, LOW, HIGH, max_iterations=10**6, time_limit=0.3) is None
    assert time.monotonic() - began < 1.0
    assert plan_path(start, np.array([0.0, 0.0]), closed, closed_edge, LOW, HIGH) is None  # the goal is not free
    assert plan_path(start, np.array([-0.8, 2.0]), closed, closed_edge, LOW, HIGH) is None  # outside the limits


def test_joints_without_limits_are_searched_too():
    start, goal = np.array([-0.8, -0.5]), np.array([0.8, -0.5])
    path = plan_path(start, goal, wall_free, wall_edge_free, np.full(2, -np.inf), np.full(2, np.inf), seed=1)
    assert_joins(path, start, goal, wall_edge_free)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        plan_path(np.zeros(2), np.zeros(3), wall_free, wall_edge_free, LOW, HIGH)
    with pytest.raises(ValueError, match="not finite"):
        plan_path(np.full(2, np.nan), np.zeros(2), wall_free, wall_edge_free, LOW, HIGH)


@pytest.fixture(scope="module")
def arm():
    return collision_panda.collision()


def free(arm):
    return lambda q: arm.minimum_distance(q).distance >= MARGIN


def test_ways_home_from_where_the_straight_line_collides(arm):
    rng = np.random.default_rng(4)
    found, blocked, slowest = 0, 0, 0.0
    while blocked < 8:
        start = rng.uniform(panda.LOWER, panda.UPPER)
        if not free(arm)(start) or arm.edge_free(start, HOME):
            continue
        blocked += 1
        began = time.monotonic()
        path = plan_path(start, HOME, free(arm), arm.edge_free, arm.model.lower, arm.model.upper, seed=0)
        slowest = max(slowest, time.monotonic() - began)
        if path is None:
            continue
        found += 1
        assert_joins(path, start, HOME, arm.edge_free)
        for a, b in zip(path[:-1], path[1:]):
            assert min(arm.minimum_distance(a + s * (b - a)).distance for s in np.linspace(0, 1, 100)) >= MARGIN - 1e-5
    assert found == blocked
    assert slowest < 5.0


def test_the_way_home_may_begin_inside_the_margin(arm):
    low, high = np.array([0.0, 0.35, 0.0, -2.35, 0.0, 2.7, 0.785]), 0.6
    lean = np.eye(7)[1]
    candidates = [low + s * lean for s in np.linspace(0, high, 3000)]
    start = min(candidates, key=lambda q: abs(arm.minimum_distance(q).distance - 0.002))
    assert not free(arm)(start)
    path = plan_path(start, HOME, free(arm), arm.edge_free, arm.model.lower, arm.model.upper, seed=0)
    assert_joins(path, start, HOME, arm.edge_free)
