"""What joint states may look like: of the future, without velocities, of an arm that sags, of one that is slowed down."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card, panda_model, straight

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.intake.joint_states import JointStates
from vla_controller.planning.limits import check_curve


def test_states_of_the_future_are_not_taken_and_said_so():
    rig = Rig()
    rig.controller.on_joint_state(rig.now + 900 * MS, rig.names, rig.q + 1.0, np.zeros(7), rig.now)
    rig.run(50)
    rig.send(straight())
    assert rig.reports[0].verdict is Verdict.ACCEPTED  # the sound ones go on
    alone = Rig()
    alone.now += 600 * MS
    alone.controller.on_joint_state(alone.now + 900 * MS, alone.names, alone.q, np.zeros(7), alone.now)
    alone.send(straight())
    assert alone.reports[-1].verdict is Verdict.NO_STATE
    assert "900 ms in the future" in alone.reports[-1].message


def test_velocities_that_are_not_numbers_are_taken_from_positions():
    """As joint_state_broadcaster tells joints that have no velocity interface."""
    rig = Rig()
    for _ in range(10):
        rig.now += 10 * MS
        rig.controller.on_joint_state(rig.now, rig.names, rig.q, np.full(7, np.nan), rig.now)
    rig.send(straight())
    assert rig.reports[0].verdict is Verdict.ACCEPTED


def test_one_state_alone_tells_no_rest():
    rig = Rig()
    rig.run(10)
    rig.now -= 500 * MS
    rig.take(rig.controller.tick(rig.now))  # the clock was set back: everything measured is forgotten
    rig.now += 10 * MS
    rig.controller.on_joint_state(rig.now, rig.names, rig.q, None, rig.now)
    rig.send(straight())
    assert rig.reports[-1].verdict is Verdict.NO_STATE


def test_the_tracking_error_is_how_far_the_arm_is_off_and_nothing_where_it_follows(rig):
    rig.send(np.tile([0.01, 0.02, -0.01, 0.0, 0.02, 0.03], (16, 1)))
    rig.run(600)
    late = rig.controller.commanded_at(rig.now)
    rig.now += 10 * MS  # measured and told where it was a moment ago
    rig.controller.on_joint_state(rig.now, rig.names, late[0], late[1], rig.now)
    rig.take(rig.controller.on_controller_state(0, rig.names, late[0], 1.0, rig.now))
    snapshot = rig.controller.snapshot(rig.now)
    assert snapshot.state is ControllerState.TRACKING and snapshot.tracking_error < 1e-4
    rig.run(4000)
    rig.follow, rig.q = False, rig.q + [0.0, 0.01, 0.0, -0.04, 0.0, 0.02, 0.0]
    rig.run(20)
    assert rig.controller.snapshot(rig.now).tracking_error == pytest.approx(0.04)


def test_a_sagging_arm_does_not_ratchet_down():
    """It stands 0.03 rad below its command at rest: each start begins on the command, not on the sag."""
    rig = Rig()
    sag = np.array([0.0, 0.03, 0, 0, 0, 0, 0])
    rig.follow = False
    for sequence in range(5):
        rig.send(np.zeros((16, 6)), sequence)
        for _ in range(300):
            rig.now += 10 * MS
            commanded = rig.controller.commanded_at(rig.now)
            rig.q = commanded[0] + sag
            rig.controller.on_joint_state(rig.now, rig.names, rig.q, commanded[1], rig.now)
            rig.take(rig.controller.tick(rig.now))
    np.testing.assert_allclose(rig.controller.commanded_at(rig.now)[0], HOME, atol=1e-9)
    np.testing.assert_allclose(rig.of_phase(Phase.SCHEDULED)[-1].commanded_minus_measured, -sag, atol=1e-9)


def test_positions_and_velocities_go_by_name_in_whatever_order_they_come():
    states = JointStates(("a", "b", "c"), np.full(3, 100.0))
    states.update(0, ("a", "b", "c"), [0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    states.update(10 * MS, ("c", "other", "a", "b"), [0.33, 9.0, 0.11, 0.22], [3.3, 8.0, 1.1, 2.2])
    np.testing.assert_array_equal(states.positions, [0.11, 0.22, 0.33])
    np.testing.assert_array_equal(states.velocities, [1.1, 2.2, 3.3])


@pytest.mark.parametrize("velocities", [None, [], [np.nan] * 3], ids=["none", "empty", "nan"])
def test_a_velocity_that_is_not_measured_is_the_way_over_the_time(velocities):
    states = JointStates(("a", "b", "c"), np.full(3, 100.0))
    states.update(0, ("a", "b", "c"), [0.1, 0.2, 0.3], velocities)
    states.update(20 * MS, ("b", "c", "a"), [0.19, 0.3, 0.15], velocities)
    np.testing.assert_allclose(states.velocities, [2.5, -0.5, 0.0], atol=1e-12)


def test_an_arm_stands_that_has_kept_its_place_for_100_ms():
    states = JointStates(("a", "b"), np.full(2, 100.0))

    def stands(ms, b):
        states.update(ms * MS, ("a", "b"), [0.1, b], None)
        return states.stands

    assert [stands(*state) for state in ((0, 0.2), (50, 0.204), (99, 0.196), (100, 0.2))] == [False, False, False, True]
    assert [stands(*state) for state in ((110, 0.206), (209, 0.203), (210, 0.2105))] == [False, False, True]
    # slowly away: never further in one step than it trembles
    assert not any(stands(220 + 40 * n, 0.2105 + 0.004 * n) for n in range(1, 10))


def test_one_slowed_arm_of_two_keeps_both_still():
    left, right = arm_section("left", "panda"), arm_section("right", "other")
    rig = Rig(make_card(arms=[left, right]), models=[panda_model("panda"), panda_model("other")])
    names = [left["joints"], right["joints"]]
    rig.take(rig.controller.on_controller_state(0, names[0], HOME, 0.5, rig.now))
    rig.take(rig.controller.on_controller_state(1, names[1], HOME, 0.9999999, rig.now))
    rig.send(np.zeros((16, 14)))
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "0.5 of its speed" in rig.reports[-1].message
    rig.run(20)
    for arm in (0, 1):
        rig.take(rig.controller.on_controller_state(arm, names[arm], HOME, 1.0, rig.now))
    rig.send(np.zeros((16, 14)), 1)
    assert [r for r in rig.reports if r.sequence == 1][0].verdict is Verdict.ACCEPTED


def test_a_controller_state_that_lacks_a_joint_says_nothing_of_where_the_arm_is():
    rig = Rig()
    rig.send(straight())
    rig.run(100)
    far = HOME + 0.5
    for names in (rig.names[:6], ["other"]):
        rig.take(rig.controller.on_controller_state(0, names, far[: len(names)], 1.0, rig.now))
        rig.run(200)
    assert rig.output.status is ControllerState.TRACKING


@pytest.mark.parametrize("where", ["q", "v", "a", "times"])
def test_a_curve_that_is_no_number_is_never_within_the_limits(where):
    rig = Rig()
    arm = rig.controller._arms.arms[0]
    curve = {"times": np.array([0, 100 * MS]), "q": np.stack([HOME, HOME]), "v": np.zeros((2, 7)), "a": np.zeros((2, 7))}
    assert check_curve(arm.limits, arm.model, *(curve[k] for k in ("times", "q", "v", "a"))) is None
    if where == "times":
        curve["times"] = np.array([0, 0])
    else:
        curve[where][1, 3] = np.nan
    assert check_curve(arm.limits, arm.model, *(curve[k] for k in ("times", "q", "v", "a"))) is not None


def test_a_description_without_collision_shapes_is_refused():
    import re

    from cells import JOINTS, panda_urdf

    from vla_controller.controller import ChunkController
    from vla_motion.model import ModelError, RobotModel

    bare = re.sub(r"<collision>.*?</collision>", "", panda_urdf())
    model = RobotModel.from_urdf(bare, JOINTS, "panda_tool", "panda_link0")
    with pytest.raises(ModelError, match="no collision shapes"):
        ChunkController(make_card(), model)


def test_an_anchor_from_which_nothing_was_sent_is_not_held_on_to():
    """A chunk that cannot be executed finds the arm at rest; by the next one a hand is moving it."""
    rig = Rig()
    rig.send(straight(), stamp_ns=rig.now - 35 * MS, valid_for_ns=60 * MS)
    assert rig.reports[-1].verdict is Verdict.EXPIRED and not rig.arm_messages
    for _ in range(10):
        rig.now += 10 * MS
        rig.q = rig.q + 0.005
        rig.controller.on_joint_state(rig.now, rig.names, rig.q, np.full(7, 0.5), rig.now)
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "not by this controller" in rig.reports[-1].message
    for _ in range(10):
        rig.now += 10 * MS
        rig.controller.on_joint_state(rig.now, rig.names, rig.q, np.zeros(7), rig.now)
    rig.send(straight(), 2)
    np.testing.assert_allclose(rig.arm_messages[0].positions[0], rig.q, atol=1e-12)


@pytest.mark.parametrize(("names", "positions", "words"), [
    (lambda n: n, lambda q: [*q[:2], float("nan"), *q[3:]], "the position of panda_joint3 is nan"),
    (lambda n: [*n[:6], n[2]], lambda q: q, "a joint is told twice"),
    (lambda n: n, lambda q: q[:6], "6 positions for 7 names"),
])
def test_states_that_come_and_cannot_be_used_are_not_told_as_missing(names, positions, words):
    rig = Rig()
    rig.run(100)
    q = [float(x) for x in HOME]
    for _ in range(40):
        rig.now += 10 * MS
        rig.controller.on_joint_state(rig.now, names(list(rig.names)), positions(q), None, rig.now)
        rig.take(rig.controller.tick(rig.now))
    assert rig.output.status is ControllerState.STALE_STATE
    message = rig.controller.snapshot(rig.now).message
    assert message == f"joint states come, and cannot be used: {words}"
    rig.controller.on_joint_state(rig.now, rig.names, q, [0.0] * 7, rig.now)
    assert "cannot be used" not in rig.controller.snapshot(rig.now).message


@pytest.mark.parametrize("off", [0.16, 1.87])
@pytest.mark.parametrize("ask", ["chunk", "home"])
def test_an_arm_that_is_not_where_its_controller_holds_it_is_not_set_in_motion(ask, off):
    """As with two joints swapped in joint_states: wherever the motion began, the set point would leap there."""
    rig = Rig(q=HOME + np.eye(7)[1] * 0.3)

    def speak(at):
        for _ in range(12):
            rig.run(10)
            rig.take(rig.controller.on_controller_state(0, rig.names, at, 1.0, rig.now, rig.now))

    speak(rig.q + np.eye(7)[1] * off)
    output = rig.send(straight()) if ask == "chunk" else rig.take(rig.controller.home(rig.now))
    assert rig.trajectories == []
    words = rig.reports[-1].message if ask == "chunk" else output.message
    held = f"its trajectory controller holds it at {rig.q[1] + off:.3g}"
    assert words.startswith(f"panda_joint2 is measured at {rig.q[1]:.3g} rad, {held}: look at the joint states")
    assert ask == "home" or rig.reports[-1].verdict is Verdict.DESYNC
    speak(rig.q)  # deactivated and activated
    output = rig.send(straight(), 1) if ask == "chunk" else rig.take(rig.controller.home(rig.now))
    assert len(rig.arm_messages) == 1 and output.accepted


def test_an_arm_within_its_tolerance_of_where_it_is_held_goes_on_from_there():
    rig, held = Rig(), HOME + np.eye(7)[1] * 0.14
    for _ in range(12):
        rig.run(10)
        rig.take(rig.controller.on_controller_state(0, rig.names, held, 1.0, rig.now, rig.now))
    rig.send(straight())
    np.testing.assert_array_equal(rig.arm_messages[0].positions[0], held)


def test_each_arm_stands_by_itself():
    states = JointStates(("a", "b", "c"), np.full(3, 100.0))
    for n in range(30):
        states.update(10 * n * MS, ("a", "b", "c"), [0.1, 0.2 + 0.01 * n, 0.002 * (-1) ** n], None)
    assert not states.stands and not states.standing(slice(0, 2)) and not states.standing(slice(1, 2))
    assert states.standing(slice(0, 1)) and states.standing(slice(2, 3))


def test_no_motion_begins_whose_trajectories_nobody_takes():
    rig, words = Rig(), "nobody takes trajectories on arm/joint_trajectory"
    rig.controller.on_listeners(words)
    rig.send(straight())
    assert (rig.reports[-1].verdict, rig.reports[-1].message) == (Verdict.NO_STATE, words)
    output = rig.take(rig.controller.home(rig.now))
    assert not output.accepted and output.message == words and rig.trajectories == []
    assert rig.controller.snapshot(rig.now).message == words
    rig.controller.on_listeners("")
    rig.send(straight(), 1)
    rig.run(200)
    rig.controller.on_listeners(words)  # a motion under way is not for its listener to end: it has ways of its own to be missed
    rig.send(straight(), 2)
    assert [r.verdict for r in rig.of_phase(Phase.SCHEDULED)[1:]] == [Verdict.ACCEPTED] * 2
