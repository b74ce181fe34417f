"""The six action spaces are six ways to say the same motion."""

import numpy as np
import pytest
from action_paths import SPACES, actions_in, swing
from cells import HOME, MS, Rig, make_card

from vla_contract.action_space import ActionSpace
from vla_contract.report import Verdict


@pytest.mark.parametrize("space", SPACES)
def test_every_space_leads_along_the_same_path(space):
    rig = Rig(make_card(space))
    q, T = swing(rig.model, HOME)
    rig.send(actions_in(space, rig.model, q, T, HOME, HOME), reference_positions=HOME)
    report = rig.reports[0]
    assert report.verdict is Verdict.ACCEPTED and report.clamps == ()
    due = [int(t) for t in report.step_stamps_ns]
    reached = np.array([rig.tool(t) for t in due])
    assert np.abs(reached[:, :3, 3] - T[:, :3, 3]).max() < 5e-4
    np.testing.assert_allclose(report.planned_actions[:, :-1], actions_in(space, rig.model, q, T, HOME, HOME), atol=2e-4)
    assert len(report.anchor) == (7 if not ActionSpace[space].is_cartesian else 7)


@pytest.mark.parametrize("space", SPACES)
def test_every_space_goes_on_from_a_moving_arm(space):
    rig = Rig(make_card(space))
    q, T = swing(rig.model, HOME)
    rig.send(actions_in(space, rig.model, q, T, HOME, HOME), reference_positions=HOME)
    rig.run(600)
    stamp = rig.now - 100 * MS  # observed while moving; the arm is measured a little off its command
    commanded = rig.controller.commanded_at(stamp)[0].copy()
    observed = commanded + 0.003
    q2, T2 = swing(rig.model, commanded)
    rig.send(
        actions_in(space, rig.model, q2, T2, commanded, observed), 1, stamp_ns=stamp, reference_positions=observed
    )
    report = [r for r in rig.reports if r.sequence == 1][0]
    assert report.verdict is Verdict.ACCEPTED
    last = int(report.step_stamps_ns[-1])
    assert np.linalg.norm(rig.tool(last)[:3, 3] - T2[-1, :3, 3]) < 1e-3


@pytest.mark.parametrize("space", ["JOINT_RELATIVE", "EE_RELATIVE"])
def test_relative_actions_need_the_observed_state(space):
    rig = Rig(make_card(space))
    motion = np.zeros((16, 7 if space.startswith("JOINT") else 6))
    for reference, verdict, words in (
        (np.empty(0), Verdict.SHAPE, "7" if False else "has 0 values"),
        (np.full(7, np.nan), Verdict.NOT_FINITE, "panda_joint1"),
        (HOME + np.array([0, 0, 0.5, 0, 0, 0, 0]), Verdict.DESYNC, "panda_joint3 is 0.50 rad"),
    ):
        rig.send(motion, sequence=len(rig.reports), reference_positions=reference)
        assert rig.reports[-1].verdict is verdict and words in rig.reports[-1].message
    assert rig.arm_messages == []


@pytest.mark.parametrize("space", SPACES)
def test_wild_values_are_brought_within_the_limits_or_refused(space):
    rig = Rig(make_card(space))
    rng = np.random.default_rng(3)
    columns = 6 if space.startswith("EE") else 7
    for sequence, size in enumerate([0.05, 0.5, 3.0, 1e6, 1e300]):
        rig.send(rng.normal(0, size, (16, columns)), sequence, reference_positions=rig.q)
        rig.run(300)
    limits = rig.card.arms[0].limits
    for message in rig.arm_messages:
        assert np.isfinite(message.positions).all()
        assert np.all(message.positions >= np.array(limits.position_lower) - 1e-9)
        assert np.all(message.positions <= np.array(limits.position_upper) + 1e-9)
