"""Somebody else commands the arm: the core brakes, says who, and takes the arm as it stands once it is alone again."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, make_card, straight

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState
from vla_controller.books.diagnostics import Level, Monitor
from vla_controller.ros.claims import claims, trajectory_topics

WHO = "/teach commands the arm (/panda_arm_controller/joint_trajectory)"


def moving(**options):
    rig = Rig(**options)
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(600)
    assert rig.output.status is ControllerState.TRACKING
    return rig


def speed(rig):
    return np.abs(rig.controller.commanded_at(rig.now)[1]).max()


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_it_brakes_refuses_and_names_who(rule):
    rig = moving(card=make_card(rule=rule))
    before = len(rig.arm_messages)
    out = rig.take(rig.controller.on_contended(WHO, rig.now))
    assert out.status is ControllerState.CONTENDED and len(rig.arm_messages) == before + 1
    assert rig.controller.snapshot(rig.now).message == f"{WHO}; nothing is commanded until it is gone"
    assert speed(rig) > 0.2
    rig.run(500)
    assert speed(rig) < 1e-9, "at rest long before the chunk's end"
    (closed,) = rig.of_phase(Phase.CLOSED)
    assert WHO in closed.message and closed.steps_superseded > 0
    sent = len(rig.trajectories)
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.CONTENDED and WHO in rig.reports[-1].message
    home = rig.take(rig.controller.home(rig.now))
    assert not home.accepted and WHO in home.message
    rig.take(rig.controller.on_contended(WHO, rig.now))  # told again and again
    rig.run(300)
    assert len(rig.trajectories) == sent, "and nothing is commanded"


def test_one_that_comes_while_the_arm_rests_makes_no_motion(rig):
    assert rig.take(rig.controller.on_contended(WHO, rig.now)).trajectories == []
    assert rig.output.status is ControllerState.CONTENDED


def test_alone_again_the_arm_is_taken_as_it_stands_and_nothing_leaps():
    rig = moving()
    rig.take(rig.controller.on_contended(WHO, rig.now))
    rig.run(600)
    stood = rig.q.copy()
    rig.follow = False
    for _ in range(40):  # the other one moves the arm, by less than what counts as displaced
        rig.q = rig.q + [0.0, 0.0004, 0.0, -0.0003, 0.0, 0.0002, 0.0]
        rig.run(10)
    assert rig.output.status is ControllerState.CONTENDED
    rig.take(rig.controller.on_contended("", rig.now))
    rig.run(200)
    assert rig.output.status is ControllerState.IDLE
    assert not rig.controller.snapshot(rig.now).message
    rig.trajectories.clear()
    rig.send(straight((0.05, 0.0, 0.0)), 1)
    assert rig.reports[-1].verdict is Verdict.ACCEPTED
    first = rig.arm_messages[0].positions[0]
    np.testing.assert_allclose(first, rig.q, atol=1e-9)
    assert np.abs(first - stood).max() > 0.01, "not where it was left"


def test_it_is_not_released_while_the_arm_moves():
    rig = moving()
    rig.take(rig.controller.on_contended(WHO, rig.now))
    rig.run(600)
    rig.follow = False
    rig.take(rig.controller.on_contended("", rig.now))
    for _ in range(20):  # what the other one sent last runs on
        rig.q = rig.q + [0.0, 0.004, 0.0, 0.0, 0.0, 0.0, 0.0]
        rig.run(10)
        assert rig.output.status is ControllerState.CONTENDED
    assert rig.controller.snapshot(rig.now).message == f"{WHO}; the arm has to be at rest"
    rig.run(200)
    assert rig.output.status is ControllerState.IDLE


def test_an_arm_that_is_sent_home_brakes_and_forgets_it():
    rig = Rig(q=HOME + np.array([0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert rig.take(rig.controller.home(rig.now)).accepted
    rig.run(400)
    assert rig.output.status is ControllerState.HOMING
    rig.take(rig.controller.on_contended(WHO, rig.now))
    rig.run(600)
    assert speed(rig) < 1e-9 and np.abs(rig.q - HOME).max() > 0.05
    rig.take(rig.controller.on_contended("", rig.now))
    rig.run(300)
    assert rig.output.status is ControllerState.IDLE and rig.controller.commanded_at(rig.now) is None


def test_a_stop_is_latched_and_says_that_it_does_not_reach_the_other():
    rig = moving()
    rig.take(rig.controller.on_contended(WHO, rig.now))
    stop = rig.take(rig.controller.stop(rig.now))
    assert not stop.accepted and stop.message == f"stopped; resume releases it; but {WHO}, and may move the arm"
    assert stop.status is ControllerState.STOPPED and WHO in rig.controller.snapshot(rig.now).message
    rig.run(600)
    resumed = rig.take(rig.controller.resume(rig.now))
    assert resumed.status is ControllerState.CONTENDED and WHO in resumed.message
    rig.take(rig.controller.on_contended("", rig.now))
    rig.run(100)
    assert rig.output.status is ControllerState.IDLE
    assert rig.take(rig.controller.stop(rig.now)).accepted


def test_a_clock_that_is_set_releases_nothing():
    rig = moving()
    rig.take(rig.controller.on_contended(WHO, rig.now))
    rig.run(600)
    rig.now -= 500 * MS
    rig.run(300)
    assert rig.output.status is ControllerState.CONTENDED


def test_diagnostics_call_it_an_error(rig):
    rig.take(rig.controller.on_contended(WHO, rig.now))
    health = Monitor().judge(rig.controller.snapshot(rig.now), rig.now, message="", speed_scale=1.0, dry_run=False)
    assert health.level is Level.ERROR and WHO in health.message and health.values["state"] == "CONTENDED"


def test_a_controller_claims_arms_and_grippers_and_a_dry_run_its_namespace_alone():
    card = make_card()
    arm, hand = "panda_arm_controller/joint_trajectory", "panda_hand_controller/joint_trajectory"
    assert trajectory_topics(card) == (arm, hand)
    assert {claim.topic for claim in claims(card, dry_run=False)} == {arm, hand, "vla/controller_status"}
    assert [claim.topic for claim in claims(card, dry_run=True)] == ["vla/controller_status"]
    content = card.to_dict()
    content["arms"][0]["gripper"].update(interface="binary", topic="hand/commands")
    from vla_contract.card import parse_card

    binary = parse_card(content)
    assert trajectory_topics(binary) == (arm,)
    assert {claim.topic for claim in claims(binary, dry_run=False)} == {arm, "hand/commands", "vla/controller_status"}
