"""The fastest motion from rest to rest: its duration against the closed forms, its limits along the way."""

import numpy as np
import pytest

from vla_controller.planning.profile import Profile

# velocity, acceleration, jerk, and the duration of a way of 1 by hand
CASES = {
    "the jerk alone": ((10.0, 100.0, 0.5), 4.0),  # 4 (1 / 2j)^(1/3)
    "jerk and acceleration": ((10.0, 1.0, 2.0), 0.5 + np.sqrt(0.25 + 4.0)),  # a / j + sqrt((a / j)^2 + 4 / a)
    "all three": ((0.5, 1.0, 2.0), 2.0 + 0.5 + 0.5),  # 1 / v + v / a + a / j
    "jerk and velocity": ((0.25, 100.0, 4.0), 4.0 + 2.0 * 0.25),  # 1 / v + 2 sqrt(v / j)
}


@pytest.mark.parametrize("limits, seconds", CASES.values(), ids=CASES.keys())
def test_it_takes_as_long_as_its_limits_ask_for_and_each_of_them_holds(limits, seconds):
    profile = Profile.fastest(*limits)
    assert profile.seconds == pytest.approx(seconds, rel=1e-12)
    times = np.linspace(0.0, seconds, 4001)
    assert profile.sample(times)[1].max() == pytest.approx(profile.peak, rel=1e-5)
    s, v, a = profile.sample(times)
    velocity, acceleration, jerk = limits
    assert v.min() > -1e-9 and v.max() <= velocity * (1 + 1e-9) and np.abs(a).max() <= acceleration * (1 + 1e-9)
    assert np.abs(np.diff(a)).max() / (times[1]) <= jerk * (1 + 1e-6)
    np.testing.assert_allclose(np.gradient(s, times)[1:-1], v[1:-1], atol=1e-3 * velocity)
    np.testing.assert_allclose(profile.sample(np.array([-1.0, seconds + 1.0])), [[0, 1], [0, 0], [0, 0]], atol=1e-12)


def test_one_that_lasts_longer_goes_the_same_way_slower():
    fastest = Profile.fastest(0.5, 1.0, 2.0)
    slower = fastest.lasting(6.0)
    assert slower.seconds == pytest.approx(6.0)
    s, v, a = fastest.sample(np.array([1.1]))
    np.testing.assert_allclose(slower.sample(np.array([2.2])), [s, v / 2.0, a / 4.0], atol=1e-12)
