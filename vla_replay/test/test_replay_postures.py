"""Bags whose joint states come in parts, stamped wrong, in another order, with a gap, wrapped, or a clock set back a little."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import MS, START, LiveCell, swinging
from sensor_msgs.msg import JointState

from vla_bags.reader import Bag
from vla_bench.speed.replay import BagDraft
from vla_contract.ros.stamps import ns_to_stamp
from vla_contract.ros.streams import feed_joint_state
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline.executed import JointHistory
from vla_replay.offline.replay import Replay

pytestmark = pytest.mark.timeout(100)


class Drivers(LiveCell):
    """A cell whose joint states are told in parts: each (joints, period [ms], age of a message when it comes [ms])."""

    def __init__(self, *args, parts, spoil=lambda number, message: [message], **options):
        self.parts, self.spoil, self.told = parts, spoil, 0
        super().__init__(*args, **options)

    def tell_state(self) -> None:
        for joints, period, age in self.parts:
            if (self.now - self.start) // MS % period == 0:
                self.tell(joints, self.now - age * MS)

    def tell(self, joints, stamp_ns) -> None:
        commanded = self.controller.commanded_at(stamp_ns)
        q, v = (self.q, np.zeros(7)) if commanded is None else commanded[:2]
        place = dict(zip(self.joints, [*q, 0.04]))
        speed = dict(zip(self.joints, [*v, 0.0]))
        message = JointState(name=joints, position=[place[j] for j in joints], velocity=[speed[j] for j in joints])
        message.header.stamp = ns_to_stamp(stamp_ns)
        self.told += 1
        for told in self.spoil(self.told, message):
            stamp_ns = told.header.stamp.sec * 1_000_000_000 + told.header.stamp.nanosec
            self.controller.on_joint_state(stamp_ns, told.name, told.position, told.velocity, self.now)
            feed_joint_state(self.assembler, told)
            self.record(self.card.state.topic, told)


def replayed(path, card, model, seen=None):
    """seen: gets the observations that the policy is asked about."""
    act = swinging(card)

    def watched(observation):
        if seen is not None:
            seen.append(observation)
        return act(observation)

    with Bag(path) as bag:
        return asdict(Replay(bag, card, {"a": ScriptedPolicy(card, watched)}, [model]).run())


def recorded(tmp_path, card, model, seconds=2.4, **options):
    with BagDraft(tmp_path / "bag", card) as draft:
        cell = Drivers(card, model, draft, **options)
        return cell.live(seconds)


def assert_all_found(figures, live, equal=True):
    found = figures["observations"]
    assert found["absent"] == {} and found["rebuilt"] == len(live.chunks) >= 5
    assert found["state_equal"] == len(live.chunks) if equal else found["state_largest"] < 0.004
    agreement = figures["recorded"]["controller_agreement"]
    assert agreement["equal"] == agreement["chunks"] >= len(live.chunks) - 3
    assert figures["recorded"]["against_executed"]["chunks"] >= len(live.chunks) - 4


@pytest.fixture
def joints(card):
    return [*card.arms[0].joints, card.arms[0].gripper.joint]


@pytest.mark.parametrize(("periods", "ages"), [((10, 10), (3, 4)), ((10, 20), (26, 31))])
def test_two_drivers_with_some_of_the_joints_each(card, model, joints, tmp_path, periods, ages):
    """With ages above those of the images the newest state of each was held, not interpolated. A chunk names the stamp of one
    driver alone, so which message of the other had come is then known but for one."""
    parts = [(joints[3::-1], periods[0], ages[0]), (joints[4:], periods[1], ages[1])]
    live = recorded(tmp_path, card, model, parts=parts)
    held = ages[0] > 12
    assert any(one.state_stamp_ns < one.stamp_ns for one in live.observations) == held
    assert_all_found(replayed(tmp_path / "bag", card, model), live, equal=not held)


@pytest.mark.parametrize("kind", ["lacks_a_joint", "other_order", "of_the_future"])
def test_a_message_that_is_otherwise_changes_nothing_for_those_after_it(card, model, joints, tmp_path, kind):
    def spoil(number, message):
        if kind == "lacks_a_joint" and number == 91:
            return [JointState(header=message.header, name=message.name[1:], position=message.position[1:])]
        if kind == "other_order" and number >= 90:
            for field in ("name", "position", "velocity"):
                setattr(message, field, list(getattr(message, field))[::-1])
        if kind == "of_the_future" and number == 90:
            wrong = JointState(name=message.name, position=[7.0] * len(message.name))
            wrong.header.stamp.sec, wrong.header.stamp.nanosec = message.header.stamp.sec + 30, 5
            return [message, wrong]
        if message.name == joints[7:]:
            message.position = [0.0001 * number]
        return [message]

    hand = [] if kind == "other_order" else [(joints[7:], 10, 3)]
    arm = joints[:7] if hand else joints
    live = recorded(tmp_path, card, model, parts=[(arm, 10, 3), *hand], spoil=spoil)
    seen = []
    assert_all_found(replayed(tmp_path / "bag", card, model, seen), live)
    fingers = [observation.state[7] for observation in seen]
    assert (np.diff(fingers) > 0.003).all() and fingers[-1] < 0.08 if hand else set(fingers) == {0.04}


def test_states_that_the_recorder_lost_are_not_made_up(card, model, joints, tmp_path):
    lost = {("joint_states", n) for n in range(150, 185)}
    live = recorded(tmp_path, card, model, parts=[(joints, 10, 3)], lost=lost)
    gap = [START + (n * 10 - 3) * MS for n in (149, 185)]
    within = [c for c in live.chunks if gap[0] < c.stamp_ns < gap[1]]
    figures = replayed(tmp_path / "bag", card, model)
    found = figures["observations"]
    assert within and found["absent"] == {"joint_states": len(within)}
    assert found["state_different"] == 0 and found["state_equal"] == len(live.chunks) - len(within)


def test_a_clock_set_back_by_half_a_second_ends_a_time(card, model, joints, tmp_path):
    """Two runs, one after the other in the bag; the second begins before the first one's end."""
    lives = []
    with BagDraft(tmp_path / "bag", card) as draft:
        start, ahead_ns = START, 0
        for _ in range(2):
            cell = LiveCell(card, model, draft, start=start, tail=60, clock=True, recorded_ns=lambda now, by=ahead_ns: now + by)
            lives.append(cell.live(2.4))
            ahead_ns = 500 * MS
            start = cell.now - ahead_ns
    figures = replayed(tmp_path / "bag", card, model)
    found, count = figures["observations"], sum(len(live.chunks) for live in lives)
    assert (found["rebuilt"], found["state_equal"], found["absent"]) == (count, count, {})
    error = figures["policies"]["a"]["against_recorded"]
    assert error["equal_chunks"] == error["chunks"] == count
    agreement = figures["recorded"]["controller_agreement"]
    assert agreement["equal"] == agreement["chunks"] >= count - 3
    assert figures["recorded"]["controller"]["violations"] == 0


@pytest.fixture
def turning(card):
    """The last joint may turn all around."""
    content = card.to_dict()
    limits = content["arms"][0]["limits"]
    limits["position_lower"][6], limits["position_upper"][6] = -3.1416, 3.1416
    return type(card).model_validate(content)


def test_what_a_wrapped_joint_did_is_the_short_way_round(card, turning):
    joints, times = card.arms[0].joints, np.arange(0, 200, 10)
    truth = 3.0 + 0.001 * times
    wrapped = (truth + math.pi) % (2.0 * math.pi) - math.pi
    histories = JointHistory(turning), JointHistory(card)
    for history in histories:
        for t, q in zip(times, wrapped):
            history.add(START + int(t) * MS, joints, [0.1] * 6 + [q])
    asked = START + np.array([125, 135, 145, 155, 165]) * MS
    np.testing.assert_allclose(histories[0].at(asked)[:, 6], 3.0 + 0.001 * (asked - START) / MS, atol=1e-9)
    assert histories[1].at(asked) is None, "a joint that does not turn has jumped"


def test_what_an_arm_did_in_a_silence_is_not_known(card):
    history = JointHistory(card)
    for t in (0, 10, 20, 320, 330):
        history.add(START + t * MS, card.arms[0].joints, [0.001 * t] * 7)
    assert history.at(START + np.array([5, 15]) * MS)[:, 3] == pytest.approx([0.005, 0.015])
    assert history.at(START + np.array([15, 100]) * MS) is None
