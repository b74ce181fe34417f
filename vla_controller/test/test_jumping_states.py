"""Joint states that jump: a simulator that starts over, an encoder that fails, a hand that is faster than any joint."""

import numpy as np
from cells import MS, Rig, straight

from vla_contract.report import Verdict
from vla_contract.status import ControllerState


def measured(rig: Rig, q, ms: int = 10):
    rig.follow = False
    rig.q = np.array(q)
    rig.run(ms)


def test_a_teleport_at_rest_is_anchored_anew_after_50_ms():
    rig = Rig()
    rig.send(straight())
    rig.run(2600)
    there = rig.q + 0.4
    measured(rig, there)
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE
    assert "jumped by 0.40 rad in 10 ms" in rig.reports[-1].message
    rig.run(60)
    rig.send(straight(), 2)
    np.testing.assert_allclose(rig.arm_messages[-1].positions[0], there)


def test_one_wrong_state_refuses_chunks_for_50_ms_and_changes_nothing_else():
    rig = Rig()
    rig.send(straight())
    rig.run(500)
    sent = len(rig.arm_messages)
    rig.controller.on_joint_state(rig.now + MS, rig.names, rig.q + 0.5, np.zeros(7), rig.now + MS)
    rig.now += MS
    rig.send(straight(), 1)
    assert rig.reports[-1].verdict is Verdict.NO_STATE and "jump" in rig.reports[-1].message
    rig.run(80)
    assert len(rig.arm_messages) == sent and rig.output.status is ControllerState.TRACKING
    rig.send(straight(), 2)
    assert [r for r in rig.reports if r.sequence == 2][0].verdict is Verdict.ACCEPTED


def test_a_jump_that_stays_while_moving_is_desync():
    rig = Rig()
    rig.send(straight())
    rig.run(500)
    measured(rig, rig.q + 0.5, 70)
    assert rig.output.status is ControllerState.DESYNC


def test_fast_motion_is_no_jump():
    rig = Rig()
    rig.send(straight((0.0, 0.6, 0.0)))
    for _ in range(20):  # states at 25 Hz only
        rig.now += 40 * MS
        rig.state()
        rig.take(rig.controller.tick(rig.now))
    rig.send(straight(), 1)
    assert [r for r in rig.reports if r.sequence == 1][0].verdict is not Verdict.NO_STATE


def test_an_arm_is_at_rest_by_its_positions_too():
    """A false state 40 ms after the one before: a fast joint could have moved so far, a joint at rest cannot."""
    for offset, verdict in ((0.0, Verdict.ACCEPTED), (0.15, Verdict.NO_STATE)):
        fresh = Rig()
        fresh.now += 40 * MS
        fresh.controller.on_joint_state(fresh.now, fresh.names, fresh.q + offset, np.zeros(7), fresh.now)
        fresh.send(straight())
        assert fresh.reports[-1].verdict is verdict
