"""Joint states in parts: from two drivers, without a joint, wrapped by a full turn, with velocities of some joints only."""

import math

import numpy as np
import pytest
from cells import HOME, JOINTS, LOWER, MS, UPPER, Rig, arm_section, make_card, panda_model, panda_urdf, straight

from vla_contract.card import parse_card
from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.intake.joint_states import JointStates
from vla_motion.model import RobotModel

TURN = 2.0 * math.pi


class Split(Rig):
    """Each driver tells its own joints: periods and delays [ms], by arm. silent: arms whose driver says nothing."""

    def __init__(self, *args, drivers=((8, 0), (20, 7)), **options):
        self.drivers, self.silent, self.ahead_ms = drivers, set(), [0] * len(drivers)
        super().__init__(*args, **options)

    def state(self) -> None:
        for arm in range(len(self.card.arms)):
            self.tell(arm, self.now)

    def tell(self, arm: int, stamp_ns: int) -> None:
        if arm in self.silent:
            return
        commanded = self.controller.commanded_at(stamp_ns)
        velocity = np.zeros_like(self.q)
        if commanded is not None and self.follow:
            self.q, velocity = commanded[0], commanded[1]
        names = self.card.arms[arm].joints
        mine = [self.names.index(name) for name in names]
        stamp_ns += self.ahead_ms[arm] * MS
        finger = f"{names[0]}_finger"
        self.controller.on_joint_state(stamp_ns, [finger, *names[::-1]], [0.0, *self.q[mine][::-1]],
                                       [0.0, *velocity[mine][::-1]], self.now)  # fmt: skip

    def run(self, ms: int) -> None:
        for _ in range(ms):
            self.now += MS
            for arm, (period, delay) in enumerate(self.drivers):
                if self.now // MS % period == delay:
                    self.tell(arm, self.now - delay * MS)
            if self.now // MS % 10 == 0:
                self.take(self.controller.tick(self.now))


def pair(**options) -> Split:
    arms = [arm_section("left", "panda"), arm_section("right", "other")]
    return Split(make_card(arms=arms), models=[panda_model("panda"), panda_model("other")], **options)


def both(left=(0.1, 0.0, 0.0), right=(0.0, 0.08, 0.0)) -> np.ndarray:
    ones = np.ones((16, 1))
    return np.hstack([straight(left), ones, straight(right), ones])


def test_two_drivers_that_each_tell_an_arm_of_a_pair():
    rig = pair()
    rig.run(100)
    rig.send(both())
    rig.run(600)
    rig.send(both(), 1)
    rig.run(2_600)
    assert [r.verdict for r in rig.of_phase(Phase.SCHEDULED)] == [Verdict.ACCEPTED] * 2
    assert rig.output.status is ControllerState.IDLE
    off = [abs(x) for r in rig.of_phase(Phase.SCHEDULED) for x in r.commanded_minus_measured]
    assert max(off) < 1e-9, "each joint is compared with what was commanded when it was measured"


def test_a_driver_that_falls_silent_is_named_and_the_arms_brake():
    rig = pair()
    rig.run(100)
    rig.send(both())
    rig.run(400)
    rig.silent = {1}
    rig.run(300)
    assert rig.output.status is ControllerState.STALE_STATE
    rig.send(both(), 1)
    words = rig.reports[-1].message
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "other_joint1" in words and "panda_joint1" not in words
    rig.run(500)
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now)[1], 0.0)
    rig.silent = set()
    rig.run(200)
    rig.send(both(), 2)
    assert [r for r in rig.reports if r.sequence == 2][0].verdict is Verdict.ACCEPTED


def test_before_the_second_driver_has_said_anything_its_joints_are_named():
    rig = pair()
    fresh = type(rig.controller)(rig.card, rig.models)
    rig.controller = fresh
    rig.silent = {0}
    rig.run(200)
    rig.send(both())
    words = rig.reports[-1].message
    assert "no joint state yet with panda_joint1" in words and "other_joint1" not in words
    assert rig.output.status is ControllerState.WAITING_FOR_STATE


def test_a_driver_whose_stamps_lie_ahead_is_named_beside_one_that_is_right():
    rig = pair()
    rig.run(100)
    rig.ahead_ms[0] = 700
    rig.run(400)
    rig.send(both())
    assert rig.reports[-1].verdict is Verdict.NO_STATE
    assert "700 ms in the future" in rig.reports[-1].message

    rig.ahead_ms[0] = 0
    rig.run(60)
    rig.send(both(), 1)
    assert [r for r in rig.reports if r.sequence == 1][0].verdict is Verdict.ACCEPTED

@pytest.mark.parametrize("stamp_ms, told", [(0, "with a stamp of 0"), (-1_700, "stamped 2000 ms in the past")])
def test_states_that_come_and_are_stamped_long_ago_are_not_told_as_a_driver_that_is_silent(stamp_ms, told):
    rig = Rig()
    rig.now += 3_000 * MS
    for _ in range(5):
        stamp_ns = 0 if stamp_ms == 0 else rig.now + stamp_ms * MS - 300 * MS
        rig.controller.on_joint_state(stamp_ns, rig.names, rig.q, np.zeros(7), rig.now)
        rig.take(rig.controller.tick(rig.now))
        rig.now += 10 * MS
    rig.now -= 10 * MS
    assert rig.output.status is ControllerState.STALE_STATE
    assert rig.controller.snapshot(rig.now).message.startswith(f"joint states come {told}")
    rig.now += 300 * MS
    assert rig.controller.snapshot(rig.now).message.startswith("the newest joint state is"), "nothing comes any more"


@pytest.mark.parametrize("back_ms", [30, 300, 900])
def test_after_a_clock_set_back_a_little_both_drivers_are_waited_for(back_ms):
    rig = pair(steady=lambda: rig_now[0])
    rig_now = [0]
    run = rig.run

    def on(ms):
        for _ in range(ms):
            rig_now[0] += MS
            run(1)

    on(100)
    rig.now -= back_ms * MS
    rig.silent = {1}
    on(120)
    rig.send(both())
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "the clock was set back" in rig.reports[-1].message
    rig.silent = set()
    on(120)
    rig.send(both(), 1)
    assert [r for r in rig.reports if r.sequence == 1][0].verdict is Verdict.ACCEPTED


def test_a_message_without_a_joint_tells_of_the_others():
    rig = Rig()
    for _ in range(40):
        rig.now += 10 * MS
        rig.controller.on_joint_state(rig.now, rig.names[1:], rig.q[1:], np.zeros(6), rig.now)
    rig.send(straight())
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "of panda_joint1 is 400 ms old" in rig.reports[-1].message
    rig.now += 10 * MS
    rig.controller.on_joint_state(rig.now, ["panda_joint1"], rig.q[:1], None, rig.now)
    rig.send(straight(), 1)
    assert [r for r in rig.reports if r.sequence == 1][0].verdict is Verdict.ACCEPTED


def test_velocities_are_told_by_joint():
    states = JointStates(["a", "b", "c"], np.full(3, 2.0))
    assert states.update(100 * MS, ["c", "a", "b"], [0.3, 0.1, 0.2], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(states.velocities, [1.0, 2.0, 3.0])
    states.update(110 * MS, ["b", "c", "a"], [0.21, 0.33, 0.12], [math.nan, 5.0, 4.0])
    np.testing.assert_allclose(states.velocities, [4.0, 1.0, 5.0])  # that of b from its positions
    states.update(120 * MS, ["b", "c"], [0.25, 0.34], [7.0])  # shorter than the names: none of them is to be trusted
    np.testing.assert_allclose(states.velocities, [4.0, 4.0, 1.0])
    np.testing.assert_allclose(states.positions, [0.12, 0.25, 0.34])
    np.testing.assert_array_equal(states.stamps_ns, [110 * MS, 120 * MS, 120 * MS])
    assert states.stamp_ns == 110 * MS


@pytest.mark.parametrize("names", [["a", "b", "a"], ["x"], []])
def test_a_message_with_a_joint_twice_or_without_any_is_ignored(names):
    states = JointStates(["a", "b"], np.full(2, 2.0))
    states.update(100 * MS, ["a", "b"], [0.1, 0.2], None)
    assert not states.update(110 * MS, names, [0.5] * len(names), None)
    np.testing.assert_array_equal(states.positions, [0.1, 0.2])
    assert states.update(120 * MS, ["mimic", "mimic", "b", "a"], [8.0, 9.0, 0.4, 0.3], None)
    np.testing.assert_array_equal(states.positions, [0.3, 0.4])


# Joints that turn for ever


def turning_rig(space: str, q: float, **options) -> Rig:
    """The last joint turns for ever, and stands at q [rad]; it is reported between -pi and pi."""
    text = panda_urdf().replace('name="panda_joint7" type="revolute"', 'name="panda_joint7" type="continuous"')
    model = RobotModel.from_urdf(text, JOINTS, "panda_tool", "panda_link0")
    section = arm_section()
    limits = section["limits"]
    limits["position_lower"], limits["position_upper"] = [*LOWER[:6], -6.2], [*UPPER[:6], 6.2]
    rig = Wrapped(make_card(space, arms=[section]), models=[model], q=np.array([*HOME[:6], q]), **options)
    return rig


class Wrapped(Rig):
    def state(self) -> None:
        commanded = self.controller.commanded_at(self.now)
        velocity = np.zeros_like(self.q)
        if commanded is not None and self.follow:
            self.q, velocity = commanded[0], commanded[1]
        told = np.array(self.q)
        told[6] = (told[6] + math.pi) % TURN - math.pi
        self.controller.on_joint_state(self.now, self.names, told, velocity, self.now)


def turn(step: float, start: float | None = None) -> np.ndarray:
    """JOINT columns (16, 7): the last joint goes on by ``step`` [rad] each; from ``start``, wrapped, where it is given."""
    actions = np.zeros((16, 7))
    if start is not None:
        actions[:] = HOME
        angles = start + step * np.arange(1, 17)
        actions[:, 6] = (angles + math.pi) % TURN - math.pi
        return actions
    actions[:, 6] = step
    return actions


def test_a_joint_that_is_reported_wrapped_has_not_jumped():
    rig = turning_rig("JOINT_DELTA", 2.9)
    rig.send(turn(0.05))
    rig.run(1_800)
    assert rig.controller.commanded_at(rig.now)[0][6] > math.pi + 0.2
    assert rig.output.status in (ControllerState.TRACKING, ControllerState.BRAKING, ControllerState.IDLE)
    rig.send(turn(0.05), 1)
    assert [r.verdict for r in rig.of_phase(Phase.SCHEDULED)] == [Verdict.ACCEPTED] * 2
    assert abs(rig.of_phase(Phase.SCHEDULED)[-1].commanded_minus_measured[6]) < 1e-9


def test_a_reference_that_is_told_wrapped_is_the_commanded_one():
    rig = turning_rig("JOINT_DELTA", 2.9)
    rig.send(turn(0.05))
    for _ in range(180):
        rig.run(10)
        q = np.array(rig.controller.commanded_at(rig.now)[0])
        q[6] = (q[6] + math.pi) % TURN - math.pi
        rig.take(rig.controller.on_controller_state(0, rig.names, q, 1.0, rig.now))
    assert rig.output.status is not ControllerState.DESYNC


def test_a_full_turn_of_a_joint_that_does_not_turn_for_ever_is_a_jump():
    rig = Rig()
    rig.q = np.array([*HOME[:6], HOME[6] + TURN])
    rig.follow = False
    rig.run(10)
    rig.send(straight())
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "panda_joint7 jumped by 6.28 rad" in rig.reports[-1].message


@pytest.mark.parametrize("space", ["JOINT_POSITION", "JOINT_RELATIVE"])
def test_wrapped_targets_and_references_do_not_turn_the_arm_all_around(space):
    rig = turning_rig(space, 3.0)
    seen = np.array(rig.q)
    if space == "JOINT_POSITION":
        actions = turn(0.03, 3.0)
    else:
        actions = np.cumsum(turn(0.03), axis=0)
    rig.send(actions, reference_positions=seen)
    rig.run(900)
    now = rig.controller.commanded_at(rig.now)[0][6]
    assert math.pi < now < 3.6
    # the next chunk's observation is reported wrapped
    seen = np.array(rig.q)
    seen[6] -= TURN
    actions = turn(0.03, now) if space == "JOINT_POSITION" else np.cumsum(turn(0.03), axis=0)
    rig.send(actions, 1, reference_positions=seen)
    rig.run(700)
    assert [r.verdict for r in rig.of_phase(Phase.SCHEDULED)] == [Verdict.ACCEPTED] * 2
    assert now < rig.controller.commanded_at(rig.now)[0][6] < now + 0.5
    if space == "JOINT_POSITION":  # told as they were asked for
        np.testing.assert_allclose(rig.of_phase(Phase.SCHEDULED)[1].planned_actions[2:9, 6], actions[2:9, 6], atol=0.02)


def test_no_clock_that_is_set_turns_the_arm():
    rig = turning_rig("JOINT_DELTA", 2.9)
    rig.send(turn(0.05))
    rig.run(3_000)
    before = rig.q[6]
    assert before > math.pi
    rig.now -= 500 * MS
    rig.take(rig.controller.tick(rig.now))
    rig.run(200)
    rig.send(turn(0.0), 1, stamp_ns=rig.now)
    assert rig.controller.commanded_at(rig.now)[0][6] == pytest.approx(before, abs=1e-9)


def test_an_arm_on_a_topic_of_its_own_may_be_as_old_as_its_source_says():
    content = pair().card.to_dict()
    right = content["arms"][1]["joints"]
    content["state"]["max_age"] = 0.1
    content["state"]["sources"] = [{"topic": "/right/state", "type": "joint_states", "joints": right, "max_age": 0.4}]
    rig = Split(parse_card(content), models=[panda_model("panda"), panda_model("other")])
    rig.run(200)
    assert rig.output.status is ControllerState.IDLE
    rig.silent = {1}
    rig.run(350)
    assert rig.output.status is ControllerState.IDLE
    rig.run(80)
    assert rig.output.status is ControllerState.STALE_STATE
    rig.silent = {0}
    rig.run(60)
    assert rig.output.status is ControllerState.IDLE
    rig.run(80)
    assert rig.output.status is ControllerState.STALE_STATE
