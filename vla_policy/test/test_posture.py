"""The posture that the policy sees: the newest of each joint, never made up, and a named state where it is not so."""

import math

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.card import load_card
from vla_policy.errors import ObservationError, ObservationKind
from vla_policy.observing.assembler import ObservationAssembler, observation_skew_ns

MS = 1_000_000
START = 20_000 * MS


class Cell:
    """An assembler, a clock, and joints that say where they are: joint i of the state at 0.1 * (i + 1) + 0.5 * t."""

    def __init__(self, card):
        self.card, self.assembler = card, ObservationAssembler(card)
        self.joints = [field.rpartition(".")[0] for field in card.state.fields]
        self.arm, self.hand = self.joints[:-1], self.joints[-1:]
        self.ahead_ns = 0
        """Of the clock, since it was set."""

    def at(self, since_ms, joint):
        return 0.1 * (self.joints.index(joint) + 1) + 0.5 * since_ms / 1e3

    def tell(self, since_ms, names=None, values=None, stamp_ms=None, clock=True):
        names = self.joints if names is None else names
        values = [self.at(since_ms, name) for name in names] if values is None else values
        now_ns = START + since_ms * MS + self.ahead_ns
        stamp_ns = now_ns if stamp_ms is None else START + stamp_ms * MS
        received = {"received_ns": now_ns} if clock and _takes_the_clock() else {}
        self.assembler.add_joint_state(stamp_ns, names, values, **received)

    def image(self, since_ms):
        for camera in self.card.cameras:
            stamp_ns = START + since_ms * MS + self.ahead_ns
            pixels = np.random.default_rng(stamp_ns // MS).integers(0, 256, (camera.height, camera.width, 3), np.uint8)
            self.assembler.add_image(camera.name, stamp_ns, pixels)

    def look(self, since_ms):
        return self.assembler.assemble(START + since_ms * MS + self.ahead_ns, "go")

    def expected(self, since_ms):
        return [self.at(since_ms, joint) for joint in self.joints]

    def problem(self, since_ms):
        with pytest.raises(ObservationError) as caught:
            self.look(since_ms)
        return caught.value


def _takes_the_clock():
    return "received_ns" in ObservationAssembler.add_joint_state.__code__.co_varnames


@pytest.fixture
def cell(card):
    return Cell(card)


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize("ahead_ms", [130, 400, 900, 5_000])
def test_one_state_of_the_future_freezes_no_joint(cell, ahead_ms, clock):
    """Arm and hand in messages of their own."""
    for t in range(0, 200, 10):
        cell.tell(t, cell.arm, clock=clock)
        cell.tell(t, cell.hand, clock=clock)
        if t == 100:
            cell.tell(t, cell.hand, [7.7], stamp_ms=t + ahead_ms, clock=clock)
    cell.image(190)
    assert cell.look(190).state == pytest.approx(cell.expected(190))


def test_a_driver_that_stamps_in_the_future_is_named(cell):
    for t in range(0, 200, 10):
        cell.tell(t, cell.arm)
        cell.tell(t, cell.hand, stamp_ms=t + 900)
    cell.image(190)
    problem = cell.problem(190)
    assert (problem.kind, problem.field) == (ObservationKind.INVALID, "joint_states")
    assert f"{cell.hand[0]}.position is stamped 0.900 s ahead of this node's clock" in problem.message


def test_the_sound_states_before_one_of_the_future_stay_in_use(cell):
    for t in range(0, 100, 10):
        cell.tell(t)
    cell.tell(95, values=[9.0] * len(cell.joints), stamp_ms=1_500)
    cell.image(92)
    assert cell.look(96).state == pytest.approx(cell.expected(90))


@pytest.mark.parametrize("then", ["reversed", "extra", "same"])
def test_after_one_message_without_a_joint_the_others_count(cell, then):
    """A driver that restarts: one message is not whole, and perhaps the order is another one from then on."""
    for t in range(0, 100, 10):
        cell.tell(t)
    cell.tell(100, cell.joints[1:])
    names = {"reversed": cell.joints[::-1], "extra": [*cell.joints[3:], "knee", *cell.joints[:3]], "same": cell.joints}[then]
    for t in range(110, 700, 10):
        cell.tell(t, names, [0.0 if name == "knee" else cell.at(t, name) for name in names])
    cell.image(690)
    assert cell.look(690).state == pytest.approx(cell.expected(690))


def test_a_joint_that_stays_away_is_named_while_the_others_go_on(cell):
    for t in range(0, 400, 10):
        cell.tell(t, cell.joints if t < 100 else cell.joints[1:])
    cell.image(390)
    problem = cell.problem(390)
    assert problem.kind is ObservationKind.STALE
    assert f"{cell.joints[0]}.position 0.300 s old, the card allows 0.25 s" in problem.message


def test_two_drivers_of_an_arm_and_rates_of_their_own(cell):
    """Left and right part of the joints: 125 Hz and 40 Hz, in other orders, with other stamps."""
    left, right = cell.joints[3::-1], cell.joints[4:]
    for t in range(0, 300):
        if t % 8 == 0:
            cell.tell(t, left)
        if t % 25 == 3:
            cell.tell(t, right)
    cell.image(270)
    seen = cell.look(299)
    assert seen.state == pytest.approx(cell.expected(270)) and seen.state_stamp_ns == seen.stamp_ns
    assert observation_skew_ns(seen) == 8 * MS  # the right ones came at 253 and 278


@pytest.mark.parametrize(("image_ms", "kind"), [(200, ObservationKind.SKEW), (165, ObservationKind.SKEW)])
def test_states_that_stay_away_around_an_image_are_skew(cell, image_ms, kind):
    for t in (*range(0, 101, 10), *range(300, 401, 10)):
        cell.tell(t)
    cell.image(image_ms)
    problem = cell.problem(400)
    assert (problem.kind, problem.field) == (kind, "joint_states")
    nearest = min(image_ms - 100, 300 - image_ms)
    assert f"{nearest / 1e3:.3f} s" in problem.message and "the card allows 0.06 s" in problem.message


def test_no_posture_is_made_up_in_a_gap(cell):
    """The image lies near enough to the last state before the gap, so that one counts, with its distance."""
    for t in (*range(0, 101, 10), *range(300, 341, 10)):
        cell.tell(t)
    cell.image(130)
    seen = cell.look(340)
    assert seen.state == pytest.approx(cell.expected(100))
    assert (seen.state_stamp_ns - START) // MS == 100 and observation_skew_ns(seen) == 30 * MS


def test_skew_is_told_though_the_state_was_interpolated(cell):
    for t in range(0, 200, 40):
        cell.tell(t)
    cell.image(135)
    seen = cell.look(165)
    assert seen.state == pytest.approx(cell.expected(135))
    assert seen.state_stamp_ns == seen.stamp_ns and observation_skew_ns(seen) == 15 * MS


def test_a_wrapped_joint_goes_the_short_way_round():
    cell = Cell(load_card(CARD.parent / "ur5e.yaml"))
    for t, wrapped in ((0, math.pi - 0.02), (20, -math.pi + 0.04)):
        values = cell.expected(t)
        values[5] = wrapped
        cell.tell(t, values=values)
    cell.image(5)
    state = cell.look(20).state
    assert state[5] == pytest.approx(math.pi - 0.005)
    assert state[:5] == pytest.approx(cell.expected(5)[:5])


def test_a_joint_that_does_not_turn_is_where_it_was_measured_when_it_jumps(cell):
    for t, place in ((0, 1.7), (20, -1.7)):
        values = cell.expected(t)
        values[1] = place
        cell.tell(t, values=values)
    cell.image(5)
    seen = cell.look(20)
    assert seen.state[1] == 1.7 and observation_skew_ns(seen) == 5 * MS


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize("back_ms", [40, 150, 200, 500, 900])
def test_after_a_clock_set_back_a_little_only_states_from_then_on_count(cell, back_ms, clock):
    """Images go on, too: those of before are no more the newest."""
    for t in range(0, 1000, 10):
        cell.tell(t, clock=clock)
        if t % 30 == 0:
            cell.image(t)
    cell.ahead_ns = -back_ms * MS
    named = 0
    for t in range(1000, 1300, 10):
        cell.tell(t, clock=clock)
        if t % 30 == 0:
            cell.image(t)
        try:
            seen = cell.look(t)
        except ObservationError as error:
            assert error.kind in (ObservationKind.INVALID, ObservationKind.SKEW, ObservationKind.STALE)
            named += 1
            continue
        taken_ms = (seen.stamp_ns - START) // MS + back_ms
        if t >= 1100:
            assert taken_ms >= t - 30 and seen.state == pytest.approx(cell.expected(taken_ms), abs=1e-9)
    assert named <= 10
    assert seen.state == pytest.approx(cell.expected(1290 - 1290 % 30))


def test_nothing_of_before_is_interpolated_into_the_time_after(cell):
    for t in range(0, 1000, 10):
        cell.tell(t)
    cell.ahead_ns = -500 * MS
    cell.tell(1005)
    cell.image(1001)  # 501: between old stamps and the new one
    assert cell.look(1006).state == pytest.approx(cell.expected(1005))


def test_a_good_message_of_one_driver_does_not_hide_what_is_wrong_with_another(cell):
    for t in range(0, 100, 10):
        cell.tell(t, cell.arm)
        cell.tell(t, cell.hand)
    cell.tell(100, cell.arm, [math.nan] * len(cell.arm))
    cell.tell(101, cell.hand)
    cell.image(95)
    problem = cell.problem(101)
    assert problem.kind is ObservationKind.INVALID and f"{cell.arm[0]}.position is nan" in problem.message
