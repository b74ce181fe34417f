"""The newest value of each joint by name, from any drivers, and no posture that nothing measured."""

import math

import numpy as np
import pytest

from vla_contract.arrivals import BACK_IN_A_ROW, Arrivals
from vla_contract.state_history import StateHistory
from vla_contract.turns import on_turn_of, short_way, turning_joints

MS = 1_000_000
T0 = 50_000 * MS
FIELDS = ("a.position", "b.position", "a.velocity", "b.effort")


def stamps(arrivals):
    return [thing[0] for thing in arrivals.kept]


def test_stragglers_and_repetitions_are_left_out():
    arrivals = Arrivals(8)
    taken = [arrivals.add((stamp, n)) for n, stamp in enumerate((10, 20, 20, 15, 30, 22, 25, 40))]
    assert taken == [True, True, False, False, True, False, False, True]
    assert stamps(arrivals) == [10, 20, 30, 40]


def test_stamps_that_stay_back_are_followed_and_all_before_is_forgotten():
    arrivals = Arrivals(8)
    for stamp in (10, 20, 30, 40):
        arrivals.add((stamp, "before"))
    assert [arrivals.add((stamp, "after")) for stamp in (15, 25, 35)] == [False] * (BACK_IN_A_ROW - 1) + [True]
    assert list(arrivals.kept) == [(15, "after"), (25, "after"), (35, "after")]


def test_one_stamp_that_lay_ahead_was_wrong_alone():
    arrivals = Arrivals(8)
    for stamp in (10, 20, 900, 30, 40, 50):
        arrivals.add((stamp, stamp))
    assert stamps(arrivals) == [10, 20, 30, 40, 50]


def test_a_repetition_among_those_that_stay_back_does_not_count():
    arrivals = Arrivals(8)
    for stamp in (100, 10, 20, 20):
        arrivals.add((stamp, stamp))
    assert stamps(arrivals) == [100]
    assert arrivals.add((30, 30)) and stamps(arrivals) == [10, 20, 30]


def test_what_is_back_but_not_in_order_is_no_clock():
    arrivals = Arrivals(8)
    for stamp in (100, 50, 40, 30, 20, 10):
        arrivals.add((stamp, stamp))
    assert stamps(arrivals) == [100]


def test_a_clock_that_shows_less_settles_it_at_once():
    arrivals = Arrivals(8)
    for stamp in (100, 110, 20):
        arrivals.add((stamp, stamp))
    assert not arrivals.settle(110) and stamps(arrivals) == [100, 110]
    assert arrivals.settle(60) and stamps(arrivals) == [20]


@pytest.mark.parametrize(
    ("low", "high", "share", "angle"),
    [
        (0.2, 1.2, 0.25, 0.45),
        (3.1, -3.1, 0.25, 3.1 + 0.25 * (2 * math.pi - 6.2)),
        (3.1, -3.1, 0.75, -3.1 - 0.25 * (2 * math.pi - 6.2)),
        (-3.0, 3.1, 0.9, 3.1 + 0.1 * (2 * math.pi - 6.1)),
        (6.2, 0.1, 0.25, 6.2 + 0.25 * (2 * math.pi - 6.1)),  # a driver that counts from 0 to a full turn
        (6.2, 0.1, 0.75, 0.1 - 0.25 * (2 * math.pi - 6.1)),
    ],
)  # fmt: skip
def test_between_two_angles_lies_the_short_way(low, high, share, angle):
    assert short_way(low, high, share) == pytest.approx(angle, abs=1e-12)


def test_an_angle_is_found_again_on_another_turn():
    q = on_turn_of(np.array([-3.08, 0.4, 1.0]), np.array([3.2, 0.3, 13.0]))
    assert q == pytest.approx([-3.08 + 2 * math.pi, 0.4, 1.0 + 4 * math.pi])


def test_only_joints_that_the_card_lets_turn_all_around_turn(card):
    assert turning_joints(card) == frozenset()
    content = card.to_dict()
    limits = content["arms"][0]["limits"]
    limits["position_lower"][6], limits["position_upper"][6] = -3.1416, 3.1416
    limits["position_lower"][4], limits["position_upper"][4] = -3.2, 3.0
    assert turning_joints(type(card).model_validate(content)) == {card.arms[0].joints[6]}


def test_velocities_and_efforts_travel_with_their_joints():
    history = StateHistory(FIELDS)
    history.add(T0, ["b", "a"], [0.2, 0.1], [2.0, 1.0], [20.0, 10.0])
    assert history.newest() == pytest.approx([0.1, 0.2, 1.0, 20.0])
    history.add(T0 + 10 * MS, ["a", "x", "b"], [0.3, 9.0, 0.4], [3.0, 9.0, 4.0], [30.0, 90.0, 40.0])
    assert history.newest() == pytest.approx([0.3, 0.4, 3.0, 40.0])


def test_what_a_message_does_not_tell_stays_as_old_as_it_is():
    history = StateHistory(FIELDS)
    history.add(T0, ["a", "b"], [0.1, 0.2], [1.0, 2.0], [10.0, 20.0])
    history.add(T0 + 10 * MS, ["a", "b"], [0.3, 0.4])  # positions alone
    history.add(T0 + 20 * MS, ["b"], [0.5], [], [50.0])
    assert history.newest() == pytest.approx([0.3, 0.5, 1.0, 50.0])
    assert [(stamp - T0) // MS for stamp in history.stamps_ns()] == [10, 20, 0, 20]
    assert history.invalid is None


@pytest.mark.parametrize(
    ("names", "positions", "velocities", "words"),
    [
        (["a", "b"], [0.1, 0.2], [1.0], "1 velocity values for 2 joint names"),
        (["a", "b"], [0.1], [1.0, 2.0], "1 position values for 2 joint names"),
        (["a", "b"], [0.1, 0.2], [math.nan, 2.0], "a.velocity is nan"),
        (["a", "b"], [0.1, math.inf], [1.0, 2.0], "b.position is inf"),
        (["a", "b", "a"], [0.1, 0.2, 0.3], [1.0, 2.0, 3.0], "not unique: a, b, a"),
    ],
)
def test_what_is_wrong_is_told_until_the_same_joint_comes_right(names, positions, velocities, words):
    history = StateHistory(FIELDS[:3])
    history.add(T0, ["a", "b"], [0.1, 0.2], [1.0, 2.0])
    history.add(T0 + 10 * MS, names, positions, velocities)
    assert words in history.invalid
    history.add(T0 + 11 * MS, ["c"], [0.0], [0.0])  # another driver's good message heals nothing
    assert words in history.invalid
    history.add(T0 + 20 * MS, ["a", "b"], [0.7, 0.8], [7.0, 8.0])
    assert history.invalid is None and history.newest() == pytest.approx([0.7, 0.8, 7.0])


def test_a_long_silence_is_not_bridged():
    history = StateHistory(["a.position"], longest_gap_ns=40 * MS)
    history.add(T0, ["a"], [1.0])
    history.add(T0 + 40 * MS, ["a"], [2.0])
    history.add(T0 + 81 * MS, ["a"], [5.0])
    near = history.at(T0 + 10 * MS)
    assert (near.values[0], near.stamp_ns, near.apart_ns) == (1.25, T0 + 10 * MS, 10 * MS)
    for since, value, held in ((50, 2.0, 40), (70, 5.0, 81)):
        seen = history.at(T0 + since * MS)
        assert (seen.values[0], seen.stamp_ns, seen.apart_ns) == (value, T0 + held * MS, abs(since - held) * MS)
    assert history.covers(T0 + 10 * MS, T0 + 10 * MS) and not history.covers(T0 + 50 * MS, T0 + 50 * MS)
    assert history.track(np.array([T0, T0 + 30 * MS]))[:, 0] == pytest.approx([1.0, 1.75])
    assert history.track(np.array([T0, T0 + 50 * MS])) is None


def test_a_track_begins_between_messages_and_goes_to_the_last_one():
    history = StateHistory(["a.position", "b.velocity"])
    for since, position, velocity in ((0, 1.0, 8.0), (10, 2.0, 6.0), (20, 4.0, 5.0), (30, 7.0, 1.0)):
        history.add(T0 + since * MS, ["a", "b"], [position, 0.5], [0.25, velocity])

    def track(*since):
        return history.track(T0 + np.array(since) * MS)

    np.testing.assert_allclose(track(5, 25, 30), [[1.5, 7.0], [5.5, 3.0], [7.0, 1.0]])
    np.testing.assert_allclose(track(0, 12), [[1.0, 8.0], [2.4, 5.8]])
    np.testing.assert_allclose(track(16), [[3.2, 5.4]])
    assert track(-1, 5) is None and track(25, 31) is None and track(-2) is None and track(40) is None
    assert StateHistory(["a.position"]).track(np.array([T0])) is None


def test_a_track_goes_over_a_silence_and_a_jump_where_it_has_messages_alone():
    history = StateHistory(["a.position"], longest_gap_ns=40 * MS, rigid={"a"})
    for since, value in ((0, 1.0), (41, 2.0), (61, -2.5), (71, -2.0)):
        history.add(T0 + since * MS, ["a"], [value])
    assert history.track(T0 + np.array([0, 41, 61, 66]) * MS)[:, 0] == pytest.approx([1.0, 2.0, -2.5, -2.25])
    assert history.track(T0 + np.array([0, 1]) * MS) is None and history.track(T0 + np.array([41, 60]) * MS) is None


def test_a_track_of_a_turning_joint_begins_on_the_turn_that_was_told_there():
    history = StateHistory(["a.position", "b.position"], turning={"a"})
    for since, value in ((0, 2.9), (10, 3.1), (20, -3.1), (30, -2.9), (40, -2.5)):
        history.add(T0 + since * MS, ["a", "b"], [value, value])
    across = history.track(T0 + np.array([5, 30, 35]) * MS)
    np.testing.assert_allclose(across, [[3.0, 3.0], [2 * math.pi - 2.9, -2.9], [2 * math.pi - 2.7, -2.7]])
    behind = history.track(T0 + np.array([25, 35]) * MS)
    np.testing.assert_allclose(behind, [[-3.0, -3.0], [-2.7, -2.7]])
    assert behind[0] == pytest.approx(history.at(T0 + 25 * MS).values)
    np.testing.assert_allclose(history.track(T0 + np.array([20, 40]) * MS), [[-3.1, -3.1], [-2.5, -2.5]])


def test_a_jump_of_a_joint_that_does_not_turn_is_no_way():
    history = StateHistory(["a.position", "b.position"], turning={"b"}, rigid={"a", "b"})
    history.add(T0, ["a", "b"], [3.1, 3.1])
    history.add(T0 + 10 * MS, ["a", "b"], [-3.1, -3.1])
    seen = history.at(T0 + 4 * MS)
    assert seen.values[0] == 3.1 and abs(seen.values[1]) > 3.1
    assert (seen.stamp_ns, seen.apart_ns) == (T0, 4 * MS)
    assert history.track(np.array([T0, T0 + 5 * MS])) is None


def test_a_state_is_found_again_as_it_was_seen_though_others_have_come_since():
    """Two drivers; the newest message of each was older than the image, and later ones lie around it."""
    history = StateHistory(["a.position", "b.position"])
    for since in (0, 10, 20):
        history.add(T0 + since * MS, ["a"], [since + 0.5])
        history.add(T0 + (since + 3) * MS, ["b"], [-since - 0.25])
    live = history.at(T0 + 28 * MS)
    assert live.values == pytest.approx([20.5, -20.25]) and live.stamp_ns == T0 + 20 * MS
    for since in (30, 40):
        history.add(T0 + since * MS, ["a"], [since + 0.5])
        history.add(T0 + (since + 3) * MS, ["b"], [-since - 0.25])
    assert history.at(T0 + 28 * MS).stamp_ns == T0 + 28 * MS
    again = history.at(T0 + 28 * MS, held_ns=live.stamp_ns)
    assert again.values == pytest.approx(live.values) and history.covers(T0 + 28 * MS, live.stamp_ns)


def test_names_that_change_with_every_message_fill_no_memory():
    history = StateHistory(["a.position"])
    for n in range(1000):
        history.add(T0 + n, [f"x{n}", "a"], [0.0, float(n)])
    assert history.newest()[0] == 999.0 and len(history._layouts) < 100


def test_each_field_has_a_gap_and_a_slack_of_its_own():
    fields = ("a.position", "grip.position", "wrist.force.x")
    history = StateHistory(
        fields, longest_gap_ns=20 * MS, gaps_ns={"grip.position": 200 * MS}, slack_ns={"grip.position": 100 * MS},
    )  # fmt: skip
    for at, value in ((0, 1.0), (100, 3.0)):
        history.add(T0 + at * MS, ("grip",), (value,))
    for at in (40, 80):
        history.add(T0 + at * MS, ("a", "wrist.force.x"), (at / 1000, 2.0 * at))
    seen = history.at(T0 + 50 * MS)
    assert seen.values.tolist() == pytest.approx([0.04, 2.0, 80.0]), "a and the force are not bridged, the grip is"
    assert (seen.field, seen.judged_ns, seen.apart_ns) == ("a.position", 10 * MS, 50 * MS)
    assert history.at(T0 + 250 * MS).field == "a.position" and history.at(T0 + 250 * MS).judged_ns == 170 * MS
    far = history.at(T0 - 150 * MS)
    assert (far.field, far.judged_ns) == ("a.position", 190 * MS)


def test_what_is_stamped_too_far_ahead_of_the_clock_is_not_taken_and_told():
    history = StateHistory(["a.position", "b.position"], ahead_ns=30 * MS)
    assert history.add(T0 + 30 * MS, ["a", "b"], [1.0, 2.0], received_ns=T0)
    assert not history.add(T0 + 71 * MS, ["a"], [9.0], received_ns=T0 + 40 * MS)
    assert history.newest() == pytest.approx([1.0, 2.0])
    assert (history.ahead_ns("a.position"), history.ahead_ns("b.position")) == (31 * MS, 0)
    assert history.add(T0 + 75 * MS, ["a"], [3.0])  # when it came is not known
    assert history.newest() == pytest.approx([3.0, 2.0]) and history.ahead_ns("a.position") == 0


def test_a_clock_that_was_set_back_forgets_what_lies_ahead_of_it():
    history = StateHistory(["a.position"], ahead_ns=30 * MS)
    history.add(T0 + 900 * MS, ["a"], [1.0], received_ns=T0 + 900 * MS)
    assert history.add(T0 + 10 * MS, ["a"], [5.0], received_ns=T0)
    assert history.newest()[0] == 5.0 and history.stamps_ns()[0] == T0 + 10 * MS


def test_where_no_lead_is_said_what_is_stamped_now_is_of_now():
    history = StateHistory(["a.position"])
    for stamp_ns in (100, 90):
        history.add(stamp_ns, ["a"], [stamp_ns / 100])
    history.settle(100)
    assert history.newest().tolist() == [1.0], "the second is a straggler"
    history.settle(99)
    assert history.newest().tolist() == [0.9], "the first was of the future"
