"""Where a chunk is anchored, which of its steps are past, and how closely the rest is followed."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, make_card, make_chunk, straight

from vla_contract.report import Phase
from vla_controller.planning.anchor import make_schedule


def bump(length=0.12, steps=16):
    """Minimum-jerk motion along x, at rest at both ends: EE_DELTA columns."""
    s = np.linspace(0, 1, steps + 1)
    actions = np.zeros((steps, 6))
    actions[:, 0] = np.diff(length * (10 * s**3 - 15 * s**4 + 6 * s**5))
    return actions


@pytest.mark.parametrize("delay_ms", [0, 60, 150, 300])
def test_late_chunks_of_one_plan_end_where_the_plan_ends(delay_ms):
    """Each chunk is the rest of one ideal path from its observation on; delays and seams must not add up."""
    rig = Rig()
    ideal = bump(0.16, 40)
    home = rig.model.forward(HOME)
    start = rig.now
    rig.send(ideal[:16], 0)
    # the first chunk found the arm at rest and began now, a planning margin after its stamp
    shift = 20 * MS
    for sequence in range(1, 7):
        step = 4 * sequence
        rig.run((start + shift + step * 100 * MS - rig.now) // MS)
        stamp = rig.now
        rig.run(delay_ms)
        rig.send(np.vstack([ideal[step:], np.zeros((16, 6))])[:16], sequence, stamp_ns=stamp)
    rig.run(4000)
    wanted = home[:3, 3] + [0.16, 0, 0]
    np.testing.assert_allclose(rig.tool()[:3, 3], wanted, atol=1.5e-3)
    np.testing.assert_allclose(rig.tool()[:3, :3], home[:3, :3], atol=5e-3)


def test_targets_are_met_at_their_times():
    rig = Rig()
    actions = bump()
    rig.send(actions)
    report = rig.reports[0]
    home = rig.model.forward(HOME)
    ideal = home[:3, 3] + np.cumsum(actions[:, :3], axis=0)
    for due, wanted in zip(report.step_stamps_ns, ideal):
        np.testing.assert_allclose(rig.tool(int(due))[:3, 3], wanted, atol=1e-3)


def test_chunk_at_rest_starts_at_step_0_now(rig):
    rig.run(300)
    rig.send(straight(), stamp_ns=rig.now - 200 * MS)
    report = rig.reports[0]
    assert report.steps_skipped == 0
    np.testing.assert_array_equal(report.step_stamps_ns, rig.now + 20 * MS + 100 * MS * np.arange(1, 17))
    np.testing.assert_allclose(report.anchor[:3], rig.model.forward(HOME)[:3, 3], atol=1e-12)


def test_past_steps_are_dropped_by_time(rig):
    rig.send(straight())
    rig.run(700)
    stamp = rig.now - 250 * MS
    rig.send(straight(), 1, stamp_ns=stamp)
    report = [r for r in rig.of_phase(Phase.SCHEDULED) if r.sequence == 1][0]
    assert report.steps_skipped == 2  # due 150 and 50 ms ago
    np.testing.assert_array_equal(report.step_stamps_ns, stamp + 100 * MS * np.arange(1, 17))
    np.testing.assert_allclose(report.anchor[:3], rig.tool(stamp)[:3, 3], atol=1e-9)


def test_step_due_within_the_planning_margin_is_dropped(rig):
    rig.send(straight())
    rig.run(500)
    rig.send(straight(), 1, stamp_ns=rig.now - 85 * MS)  # step 0 is due in 15 ms, the margin is 20
    assert [r.steps_skipped for r in rig.of_phase(Phase.SCHEDULED)] == [0, 1]


@pytest.mark.parametrize(
    ("period_ms", "valid_ms", "partial"),
    [(100, 239, 0.0), (100, 240, 0.4), (100, 309, 0.0), (100, 310, 0.1), (400, 419, 0.0), (400, 420, 0.05)],
)
def test_a_part_of_a_step_too_short_to_plan_is_left_out(period_ms, valid_ms, partial):
    """One of less than 10 ms, from the splice or the step before on, or of less than a twentieth of its period."""
    changes = {"step_period_ns": period_ms * MS, "valid_for_ns": valid_ms * MS}
    made = make_schedule(make_chunk(make_card(), straight(), 5_000 * MS, **changes), 5_230 * MS, 2_000 * MS, at_rest=False)
    assert (made.splice_ns, made.partial) == (5_230 * MS, pytest.approx(partial))
    assert made.knots_ns.tolist() == [*made.due_ns[made.first : made.last], *[(5_000 + valid_ms) * MS] * (partial > 0)]


def test_planned_actions_are_what_the_motion_does_at_the_steps(rig):
    actions = np.hstack([bump(), np.ones((16, 1))])
    rig.send(actions)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert report.clamps == ()
    np.testing.assert_allclose(report.planned_actions, actions, atol=1e-5)
    here = np.vstack([rig.model.forward(HOME)[:3, 3], *(rig.tool(int(due))[:3, 3] for due in report.step_stamps_ns)])
    np.testing.assert_allclose(report.planned_actions[:, :3], np.diff(here, axis=0), atol=1e-9)


def test_rotations_are_applied_from_the_left_in_the_base_frame(rig):
    actions = np.zeros((16, 6))
    actions[:8, 5] = 0.05
    before = rig.model.forward(HOME)[:3, :3]
    rig.send(actions)
    rig.run(3000)
    c, s = np.cos(0.4), np.sin(0.4)
    np.testing.assert_allclose(rig.tool()[:3, :3], np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ before, atol=2e-3)


def test_joint_positions_are_met():
    rig = Rig(make_card("JOINT_POSITION"))
    s = np.linspace(0, 1, 17)[1:, None]
    goal = HOME + np.array([0.2, 0.1, -0.1, 0.15, 0.2, -0.1, 0.3])
    wanted = HOME + (goal - HOME) * (10 * s**3 - 15 * s**4 + 6 * s**5)
    rig.send(wanted)
    report = rig.reports[0]
    np.testing.assert_allclose(report.planned_actions[:, :7], wanted, atol=1e-4)
    np.testing.assert_allclose(report.anchor, HOME)
    for due, q, planned in zip(report.step_stamps_ns, wanted, report.planned_actions[:, :7], strict=True):
        done = rig.controller.commanded_at(int(due))[0]
        np.testing.assert_allclose(done, q, atol=2e-3)
        np.testing.assert_allclose(done, planned, atol=1e-12)
    rig.run(3000)
    np.testing.assert_allclose(rig.q, goal, atol=3e-3)
