import collision_panda
import numpy as np
import panda
import pytest

from vla_motion.spline import quintic_coefficients

HOME = np.array(panda.HOME)
LOW = np.array([0.0, 0.35, 0.0, -2.35, 0.0, 2.7, 0.785])  # the hand close above the table
MARGIN = 0.005


@pytest.fixture(scope="module")
def arm():
    return collision_panda.collision()


def sampled(arm, C, durations, period):
    """Nearest distance [m] over the curve."""
    nearest = np.inf
    for c, duration in zip(C, durations):
        for t in np.linspace(0.0, duration, int(duration / period) + 2):
            nearest = min(nearest, arm.minimum_distance(t ** np.arange(6) @ c).distance)
    return nearest


def line(q_from, q_to, duration):
    zero = np.zeros((1, len(q_from)))
    C = quintic_coefficients(duration, q_from[None], zero, zero, q_to[None], zero, zero)
    return np.ascontiguousarray(C.transpose(1, 0, 2)), np.array([duration])


def test_no_contact_of_dense_sampling_is_missed_and_clear_curves_pass(arm):
    rng = np.random.default_rng(11)
    refused = passed = 0
    for _ in range(30):
        start = (HOME, LOW)[rng.integers(2)] + rng.normal(0, 0.15, 7)
        if arm.minimum_distance(start).distance < MARGIN:
            continue
        C, durations = collision_panda.random_curve(rng, start, int(rng.integers(2, 6)), rng.uniform(1.0, 9.0))
        contact = arm.check_motion(C, durations, margin=MARGIN)
        nearest = sampled(arm, C, durations, 0.0002)
        if contact is None:
            assert nearest >= MARGIN - 1e-5
            passed += 1
        else:
            assert nearest < MARGIN + 0.002
            refused += 1
            at = contact.time ** np.arange(6) @ C[contact.segment]
            assert arm.minimum_distance(at).distance < MARGIN + 0.002
            before = sampled(arm, C[: contact.segment], durations[: contact.segment], 0.002)
            assert before > MARGIN - 1e-5  # it is the first
            assert 0.0 <= contact.time <= durations[contact.segment]
    assert refused >= 5 and passed >= 5


def test_a_graze_between_the_ends_of_one_segment_is_found(arm):
    # down and up again inside one segment, both of whose ends are clear
    C = np.zeros((1, 6, 7))
    C[0, 0] = LOW
    C[0, 1, 1], C[0, 2, 1] = 1.2, -1.2  # the shoulder leans forward by 0.3 rad at 0.5 s
    contact = arm.check_motion(C, np.ones(1))
    assert contact is not None and contact.second == "table" and 0.05 < contact.time < 0.5
    assert arm.check_motion(C, np.array([0.02])) is None
    C[0, 1, 1], C[0, 2, 1] = -1.2, 1.2
    assert arm.check_motion(C, np.ones(1)) is None


def test_steps_between_segments_are_seen(arm):
    folded = HOME.copy()
    folded[[1, 3, 5]] = -1.7, -3.0, 0.3
    C = np.zeros((3, 6, 7))
    C[:, 0] = HOME
    C[1, 0] = folded
    contact = arm.check_motion(C, np.full(3, 0.1))
    assert contact is not None and contact.segment in (0, 1)


def near_table(arm, distance):
    """A position in which the hand is so far from the table [m]."""
    low, high = 0.0, 0.6
    for _ in range(60):
        lean = 0.5 * (low + high)
        q = LOW + lean * np.eye(7)[1]
        low, high = (lean, high) if arm.minimum_distance(q).distance > distance else (low, lean)
    return LOW + low * np.eye(7)[1]


@pytest.mark.parametrize("distance", [0.003, 0.0005, -0.01])
def test_from_inside_the_margin_the_arm_may_leave_and_not_go_deeper(arm, distance):
    start = near_table(arm, distance)
    assert arm.minimum_distance(start).distance == pytest.approx(distance, abs=1e-5)
    assert arm.minimum_distance(start).second == "table"
    away = start - 0.3 * np.eye(7)[1]
    for duration in (0.3, 1.0, 4.0):
        assert arm.check_motion(*line(start, away, duration)) is None
    assert arm.check_motion(*line(start, start, 1.0)) is None
    deeper = arm.check_motion(*line(start, start + 0.02 * np.eye(7)[1], 1.0))
    assert deeper is not None and deeper.distance < distance
    # away first, then back into it
    C, durations = line(start, away, 1.0)
    back, more = line(away, start + 0.02 * np.eye(7)[1], 1.0)
    contact = arm.check_motion(np.concatenate([C, back]), np.concatenate([durations, more]))
    assert contact is not None and contact.segment == 1


def test_other_pairs_keep_their_margin_while_one_leaves(arm):
    start = near_table(arm, 0.002)
    folded = start.copy()
    folded[[1, 3, 5]] = -1.7, -3.0, 0.3
    contact = arm.check_motion(*line(start, folded, 3.0))
    assert contact is not None and contact.second != "table"


def test_wider_margins_refuse_more(arm):
    C, durations = line(HOME, HOME + 0.05, 1.0)
    assert arm.check_motion(C, durations, margin=0.005) is None
    assert arm.check_motion(C, durations, margin=0.04) is None
    start = near_table(arm, 0.02)
    slide, durations = line(start, start + 0.3 * np.eye(7)[0], 1.0)  # about the vertical: the height stays
    assert arm.check_motion(slide, durations, margin=0.019) is None
    assert arm.check_motion(*line(start, start + 0.03 * np.eye(7)[1], 1.0), margin=0.019) is not None


def test_edges_between_positions(arm):
    folded = HOME.copy()
    folded[[1, 3, 5]] = -1.7, -3.0, 0.3
    assert arm.edge_free(HOME, LOW)
    assert arm.edge_free(HOME, HOME)
    assert not arm.edge_free(HOME, folded)
    # both ends are free, the elbow's way between them is not
    left, right = HOME + 2.5 * np.eye(7)[0], HOME - 2.5 * np.eye(7)[0]
    assert arm.edge_free(left, right)
    low_left, low_right = near_table(arm, 0.01), near_table(arm, 0.01)
    low_left[1] -= 0.5
    low_left[5] -= 0.9
    way = [low_left + s * (low_right - low_left) for s in np.linspace(0, 1, 500)]
    assert arm.edge_free(low_left, low_right) == (min(arm.minimum_distance(q).distance for q in way) > MARGIN)


def test_what_does_not_fit_is_refused(arm):
    with pytest.raises(ValueError, match=r"allowed are \(N, 6, 7\)"):
        arm.check_motion(np.zeros((3, 6, 6)), np.ones(3))
    with pytest.raises(ValueError, match="not finite"):
        arm.check_motion(np.full((3, 6, 7), np.nan), np.ones(3))
    assert arm.check_motion(np.zeros((0, 6, 7)), np.zeros(0)) is None


def test_verdicts_do_not_depend_on_what_was_checked_before():
    rng = np.random.default_rng(2)
    curves = [collision_panda.random_curve(rng, LOW, 6, 2.0) for _ in range(10)]
    first, second = collision_panda.collision(), collision_panda.collision()
    forward = [first.check_motion(*curve) for curve in curves]
    backward = [second.check_motion(*curve) for curve in curves[::-1]][::-1]
    assert forward == backward
    assert any(forward) and not all(forward)
