import subprocess
import sys

import numpy as np
import pytest

from vla_contract.card import parse_card
from vla_policy.errors import ObservationError, ObservationKind
from vla_policy.observing.assembler import ObservationAssembler

MS = 1_000_000
START = 10_000 * MS


class Streams:
    """Feeds an assembler as a cell would: cameras at 30 Hz, joint states at 100 Hz, joint 1 moving."""

    def __init__(self, card, make_image):
        self.card, self.make_image = card, make_image
        self.assembler = ObservationAssembler(card)
        self.joints = [*card.arms[0].joints, card.arms[0].gripper.joint]

    def state(self, stamp_ns, order=None, speed=1.0):
        values = dict.fromkeys(self.joints, 0.0)
        values[self.joints[0]] = speed * (stamp_ns - START) / 1e9
        values[self.joints[1]] = 0.5
        names = order or self.joints
        self.assembler.add_joint_state(stamp_ns, names, [values[name] for name in names])

    def image(self, stamp_ns, *names, pixels=None):
        for name in names or ("front", "wrist"):
            self.assembler.add_image(
                name, stamp_ns, self.make_image(stamp_ns // MS % 1000) if pixels is None else pixels, 77
            )

    def problem(self, now_ns):
        with pytest.raises(ObservationError) as caught:
            self.assembler.assemble(now_ns, "go")
        return caught.value


@pytest.fixture
def streams(card, make_image):
    return Streams(card, make_image)


def test_state_is_interpolated_to_the_first_cameras_stamp(streams):
    for stamp in (START, START + 10 * MS):
        streams.state(stamp)
    streams.image(START + 4 * MS)
    seen = streams.assembler.assemble(START + 20 * MS, "go")
    assert seen.state[:2] == pytest.approx([0.004, 0.5])
    assert (seen.stamp_ns, seen.state_stamp_ns) == (START + 4 * MS, START + 4 * MS)
    assert seen.state_names == tuple(streams.card.state.fields)


def test_permuted_joint_names_give_the_same_state(streams, card, make_image):
    other = Streams(card, make_image)
    streams.state(START), other.state(START, order=list(reversed(streams.joints)))
    streams.image(START), other.image(START)
    first, second = (s.assembler.assemble(START, "go").state for s in (streams, other))
    assert first[1] == 0.5
    assert np.array_equal(first, second)


def test_arm_and_gripper_from_two_publishers(streams):
    streams.state(START, order=streams.joints[:7])
    streams.image(START)
    assert streams.problem(START).kind is ObservationKind.MISSING
    streams.state(START, order=streams.joints[7:])
    assert streams.assembler.assemble(START, "go").state[1] == 0.5


def test_the_newest_image_wins_and_the_other_camera_comes_nearest_to_it(streams):
    streams.state(START)
    for i in range(3):
        streams.image(START + i * 33 * MS, "front")
        streams.image(START + i * 33 * MS + 5 * MS, "wrist")
        streams.state(START + i * 33 * MS + 1)
    streams.image(START + 3 * 33 * MS, "front")
    seen = streams.assembler.assemble(START + 100 * MS, "go")
    assert seen.image_stamps_ns == {"front": START + 99 * MS, "wrist": START + 71 * MS}


def test_a_stream_that_never_came_is_named(streams):
    streams.state(START)
    streams.image(START, "front")
    problem = streams.problem(START)
    assert (problem.kind, problem.field) == (ObservationKind.MISSING, "wrist")
    assert "wrist/image_raw" in problem.message


@pytest.mark.parametrize("still", ["front", "wrist", "joint_states"])
def test_what_stops_coming_is_stale(streams, still):
    now = START + 400 * MS
    streams.image(START), streams.state(START)
    if still != "front":
        streams.image(now, "front")
    if still != "wrist":
        streams.image(now, "wrist")
    if still != "joint_states":
        streams.state(now)
    problem = streams.problem(now)
    assert (problem.kind, problem.field) == (ObservationKind.STALE, still)
    assert "0.400 s old, the card allows 0.25 s" in problem.message


def test_cameras_out_of_step_are_askew(streams):
    streams.state(START), streams.state(START + 100 * MS)
    streams.image(START, "wrist"), streams.image(START + 100 * MS, "front")
    problem = streams.problem(START + 100 * MS)
    assert (problem.kind, problem.field) == (ObservationKind.SKEW, "wrist")
    assert "0.100 s before camera front, the card allows 0.06 s" in problem.message


def test_state_behind_the_image_is_askew(streams):
    streams.state(START)
    streams.image(START + 80 * MS)
    problem = streams.problem(START + 80 * MS)
    assert (problem.kind, problem.field) == (ObservationKind.SKEW, "joint_states")


@pytest.mark.parametrize(("state", "wrist", "front", "now", "kind", "field"), [
    (0, 60, 60, 60, ObservationKind.SKEW, "joint_states"), (50, 0, 60, 60, ObservationKind.SKEW, "wrist"),
    (0, 50, 50, 250, ObservationKind.STALE, "joint_states"), (50, 0, 50, 250, ObservationKind.STALE, "wrist"),
    (50, 50, 0, 250, ObservationKind.STALE, "front"),
])  # fmt: skip
def test_what_is_just_as_late_as_the_card_allows_is_taken_and_no_later(card, make_image, state, wrist, front, now, kind, field):
    for more in (0, 1):
        streams, late = Streams(card, make_image), more if kind is ObservationKind.SKEW else 0
        streams.state(START + state * MS)
        streams.image(START + wrist * MS, "wrist"), streams.image(START + front * MS + late, "front")
        if more:
            problem = streams.problem(START + now * MS + more)
            assert (problem.kind, problem.field) == (kind, field)
        else:
            assert streams.assembler.assemble(START + now * MS, "go").stamp_ns == START + front * MS


@pytest.mark.parametrize("value", [0, 128])
def test_a_picture_of_one_colour_is_black(streams, value):
    streams.state(START)
    streams.image(START, "front")
    streams.image(START, "wrist", pixels=np.full((224, 224, 3), value, np.uint8))
    problem = streams.problem(START)
    assert (problem.kind, problem.field) == (ObservationKind.BLACK, "wrist")


def feed(streams, frames, speed, wrist=None):
    for i in range(frames):
        stamp = START + i * 33 * MS
        streams.state(stamp, speed=speed)
        streams.image(stamp, "front")
        streams.image(stamp, "wrist", pixels=wrist)
    return START + frames * 33 * MS


def test_a_frozen_camera_is_told_from_a_scene_at_rest(streams, card, make_image):
    now = feed(streams, 20, speed=0.2, wrist=make_image(5))
    problem = streams.problem(now)
    assert (problem.kind, problem.field) == (ObservationKind.FROZEN, "wrist")
    assert "20 times over 0.63 s" in problem.message
    at_rest = Streams(card, make_image)
    now = feed(at_rest, 20, speed=0.0, wrist=make_image(5))
    at_rest.assembler.assemble(now, "go")


def test_a_picture_that_comes_before_its_joint_state_does_not_freeze_the_camera(streams, make_image):
    """A simulator that starts over: joints and images leap, and then nothing moves."""
    now = feed(streams, 5, speed=0.0, wrist=make_image(5))
    streams.image(now, pixels=make_image(6))
    for i in range(1, 20):
        stamp = now + i * 33 * MS
        streams.assembler.add_joint_state(stamp - 30 * MS, streams.joints, [0.3] * len(streams.joints))
        streams.image(stamp, pixels=make_image(6))
    streams.assembler.assemble(now + 19 * 33 * MS, "go")


def test_a_camera_that_thaws_is_good_again(streams, make_image):
    now = feed(streams, 20, speed=0.2, wrist=make_image(5))
    streams.state(now, speed=0.2)
    streams.image(now)
    streams.assembler.assemble(now, "go")


def test_wrong_size_and_values_that_are_not_finite_are_invalid(streams):
    streams.state(START)
    streams.image(START)
    streams.image(START + MS, "front", pixels=np.ones((96, 96, 3), np.uint8))
    problem = streams.problem(START)
    assert (problem.kind, problem.field) == (ObservationKind.INVALID, "front")
    streams.image(START + 2 * MS, "front")
    streams.assembler.add_joint_state(START + MS, streams.joints, [0.0, np.nan, *[0.0] * 6])
    problem = streams.problem(START)
    assert problem.kind is ObservationKind.INVALID
    assert "panda_joint2.position is nan" in problem.message


def test_stamps_ahead_of_the_clock_are_invalid(streams):
    streams.state(START), streams.image(START)
    assert "clocks disagree" in streams.problem(START - 1000 * MS).message


@pytest.mark.parametrize("received", [None, START])
def test_joint_states_ahead_of_the_clock_are_named_with_how_far(streams, received):
    """Where it is known when they came they are not taken, and elsewhere not decided from."""
    streams.image(START - 10 * MS)
    streams.assembler.add_joint_state(START + 170 * MS, streams.joints, [0.1] * 8, received_ns=received)
    problem = streams.problem(START)
    assert (problem.kind, problem.field) == (ObservationKind.INVALID, "joint_states")
    assert "panda_joint1.position is stamped 0.170 s ahead of this node's clock: the clocks disagree" in problem.message


def test_a_source_that_goes_ahead_of_the_clock_is_told_as_that_and_not_as_silent(streams):
    streams.state(START)
    streams.assembler.add_joint_state(START + 470 * MS, streams.joints, [0.1] * 8, received_ns=START + 260 * MS)
    streams.image(START + 251 * MS)
    problem = streams.problem(START + 251 * MS)
    assert problem.kind is ObservationKind.INVALID and "is stamped 0.210 s ahead" in problem.message


def test_a_clock_that_jumps_back_starts_afresh(streams):
    streams.state(START), streams.image(START)
    early = START - 5000 * MS
    streams.state(early), streams.image(early)
    assert streams.assembler.assemble(early, "go").stamp_ns == early


def test_late_and_repeated_images_are_dropped(streams, make_image):
    streams.state(START), streams.image(START)
    streams.image(START - 33 * MS, pixels=make_image(9))
    streams.image(START, pixels=make_image(9))
    seen = streams.assembler.assemble(START, "go")
    assert np.array_equal(seen.images["front"], make_image(START // MS % 1000))
    assert streams.assembler.receipt_steady_ns(START) == 77


def test_what_was_decided_from_is_found_again_by_its_stamps(streams, make_image):
    for k in range(4):
        streams.state(START + (30 * k - 7) * MS)
        streams.image(START + 30 * k * MS)
    stamps, stamp = {"front": START + 60 * MS, "wrist": START + 30 * MS}, START + 60 * MS
    assert streams.assembler.absent(stamps, stamp) == []
    again = streams.assembler.assemble_at(stamps, stamp, "go")
    assert (again.image_stamps_ns, again.stamp_ns, again.state_stamp_ns, again.instruction) == (stamps, stamp, stamp, "go")
    assert np.array_equal(again.images["front"], make_image(stamp // MS % 1000))
    assert np.array_equal(again.images["wrist"], make_image((stamp // MS - 30) % 1000))
    assert again.state[:2] == pytest.approx([0.06, 0.5])
    less = stamps | {"wrist": START + 31 * MS}
    assert streams.assembler.absent(less, stamp) == [("wrist", START + 31 * MS)]
    with pytest.raises(ObservationError, match=f"nothing is kept of stamp {START + 31 * MS} ns") as caught:
        streams.assembler.assemble_at(less, stamp, "go")
    assert (caught.value.kind, caught.value.field) == (ObservationKind.MISSING, "wrist")
    late = START + 500 * MS
    assert streams.assembler.absent({"front": late}, late) == [("front", late), ("wrist", 0), ("joint_states", late)]


def test_a_state_that_was_held_is_found_again_as_it_was_then(streams):
    streams.state(START)
    streams.image(START + 20 * MS)
    then = streams.assembler.assemble(START + 20 * MS, "go")
    streams.state(START + 40 * MS)
    again = streams.assembler.assemble_at(then.image_stamps_ns, then.state_stamp_ns, "go")
    assert again.state_stamp_ns == then.state_stamp_ns == START and np.array_equal(again.state, then.state)
    assert streams.assembler.assemble(START + 40 * MS, "go").state[0] == pytest.approx(0.02)


def test_an_image_that_could_not_be_read_is_told_until_a_good_one_comes(streams):
    streams.state(START), streams.image(START)
    streams.assembler.add_invalid_image("wrist", "encoding yuv9")
    problem = streams.problem(START)
    assert (problem.kind, problem.field, problem.message) == (ObservationKind.INVALID, "wrist", "encoding yuv9")
    streams.image(START + MS)
    assert streams.assembler.assemble(START + MS, "go").stamp_ns == START + MS


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("shape", [True, False])
def test_an_image_that_could_not_be_read_is_stale_once_it_is_old(streams, before, shape):
    """A camera that sent it and fell silent was told by it in every later run."""
    streams.state(START)
    if before:
        streams.image(START)
    streams.image(START + MS, "front")
    if shape:
        streams.image(START + MS, "wrist", pixels=np.zeros((4, 4, 3), np.uint8))
        reason = "image of 4x4, the card has"
    else:
        streams.assembler.add_invalid_image("wrist", "19200 bytes", START + MS)
        reason = "19200 bytes"
    fresh = streams.problem(START + 5 * MS)
    assert (fresh.kind, fresh.field) == (ObservationKind.INVALID, "wrist") and fresh.message.startswith(reason)
    old = streams.problem(START + 30_001 * MS)
    assert old.kind is ObservationKind.STALE and old.field == "wrist"
    assert old.message.startswith("30.000 s old, the card allows") and f"was not fit: {reason}" in old.message


def test_an_image_that_could_not_be_read_and_has_no_stamp_stays_the_fault(streams):
    streams.state(START), streams.image(START)
    streams.assembler.add_invalid_image("front", "19200 bytes", 0)
    assert streams.problem(START + 30_000 * MS).kind is ObservationKind.INVALID


def test_the_assembler_needs_neither_torch_nor_ros():
    code = (
        "import sys, vla_policy.observing.assembler, vla_policy.running.session; print({'torch', 'rclpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def slow_hand(card, make_image):
    """The gripper is told on a topic of its own, and may be 300 ms old; the arm's joints 100 ms, as the card has it."""
    content = card.to_dict()
    content["state"] |= {"max_age": 0.1, "max_skew": 0.05, "sources": [
        {"topic": "/hand/state", "type": "joint_states", "joints": [card.arms[0].gripper.joint], "max_age": 0.3},
    ]}  # fmt: skip
    return Streams(parse_card(content), make_image)


def test_a_source_has_an_age_of_its_own_which_is_told_with_its_topic(slow_hand):
    arm, hand = slow_hand.joints[:7], slow_hand.joints[7:]
    slow_hand.state(START, order=hand)
    slow_hand.state(START + 240 * MS, order=arm)
    slow_hand.image(START + 200 * MS)
    assert slow_hand.assembler.assemble(START + 250 * MS, "go").state[1] == 0.5, "250 ms is old for the arm, not for the hand"
    late = slow_hand.problem(START + 290 * MS + 11 * MS)
    assert (late.kind, late.field) == (ObservationKind.STALE, "/hand/state") and "0.301 s old, the card allows 0.3 s" in str(late)
    slow_hand.state(START + 280 * MS, order=hand)
    late = slow_hand.problem(START + 350 * MS)
    assert (late.kind, late.field) == (ObservationKind.STALE, "joint_states")
    assert "0.110 s old, the card allows 0.1 s" in str(late)


def test_a_source_that_never_came_or_lies_too_far_from_the_image_is_named(slow_hand):
    arm, hand = slow_hand.joints[:7], slow_hand.joints[7:]
    slow_hand.state(START + 400 * MS, order=arm)
    slow_hand.image(START + 400 * MS)
    assert (slow_hand.problem(START + 400 * MS).kind, slow_hand.problem(START + 400 * MS).field) == (
        ObservationKind.MISSING, "/hand/state",
    )  # fmt: skip
    slow_hand.state(START + 90 * MS, order=hand)
    slow_hand.image(START + 391 * MS)
    far = slow_hand.problem(START + 390 * MS)
    assert (far.kind, far.field) == (ObservationKind.SKEW, "/hand/state"), far
    assert "measured 0.310 s before camera front, the card allows 0.3 s" in str(far)
