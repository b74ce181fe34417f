"""Sampling of one message, against the numbers of the original class."""

import jtc_reference as reference
import numpy as np
import pytest

from vla_sim.jtc_trajectory import SampledTrajectory
from vla_sim.jtc_upsampling import spline_velocities

VECTORS = reference.CONTENT["class"]["vectors"]
UPSAMPLING = reference.CONTENT["class"]["upsampling"]


def trajectory_of(vector, label):
    trajectory = SampledTrajectory(
        reference.message(vector["message"]),
        interpolation_method=vector["interpolation_method"],
        wraparound=tuple(vector["wraparound"]),
        lookahead_moves_search=label == "jazzy",
    )
    trajectory.set_point_before(vector["before"]["time_ns"], reference.point(vector["before"]))
    return trajectory


@pytest.mark.parametrize("label", ["master", "jazzy"])
@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_samples_are_those_of_the_original(vector, label):
    trajectory = trajectory_of(vector, label)
    monotonic = vector["search_monotonic"]
    flags = [monotonic] * len(vector["query_ns"]) if isinstance(monotonic, bool) else monotonic
    for row, time_ns, flag in zip(reference.block(vector["blocks"][label]), vector["query_ns"], flags, strict=True):
        sample = trajectory.sample(time_ns, flag)
        start, end, outcome = row[-3:]
        if outcome < 0:
            assert sample is None
            continue
        assert (sample.start, sample.end) == (start, end)
        assert reference.difference(sample.state.ravel(), row[:-3]) < reference.TOLERANCE
    assert trajectory.start_ns == vector["start_time_ns_after_first_sample"]


@pytest.mark.parametrize("case", UPSAMPLING, ids=[case["id"] for case in UPSAMPLING])
def test_knot_velocities_are_those_of_the_original(case):
    points = case["message"]["points"]
    times = [point["time_from_start_ns"] for point in points]
    velocities = spline_velocities(times, [np.array(point["positions"]) for point in points])
    if case["ok"]:
        assert reference.difference(velocities, case["velocities"]) < reference.TOLERANCE
    else:
        assert velocities is None
