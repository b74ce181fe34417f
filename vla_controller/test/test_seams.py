"""Chunk after chunk, noisy and late: what the joint trajectory controller executes has no step and breaks no limit."""

import curve
import numpy as np
import pytest
from cells import MS, Rig, make_card

from vla_contract.report import Phase, Verdict


def drive(rule, seed, chunks=14, noise=0.0015):
    """A wandering tool under noisy chunks with random delays. The rig, its arm messages and their arrivals."""
    rng = np.random.default_rng(seed)
    rig = Rig(make_card(rule=rule))
    messages, arrivals = [], []
    for sequence in range(chunks):
        delay = int(rng.integers(0, 301))
        stamp = rig.now
        rig.run(delay)
        t = sequence * 0.4 + np.arange(16) * 0.1
        actions = np.zeros((16, 6))
        actions[:, 0], actions[:, 1], actions[:, 2] = 0.012 * np.cos(t), 0.015 * np.cos(1.3 * t + 1), -0.008 * np.sin(t)
        actions[:, 5] = 0.03 * np.sin(0.7 * t)
        actions += rng.normal(0, noise, actions.shape)
        before = len(rig.trajectories)
        rig.send(actions, sequence, stamp_ns=stamp)
        arm = [m for m in rig.trajectories[before:] if m.topic.startswith("panda_arm")]
        messages += arm
        arrivals += [rig.now + int(rng.integers(0, 9)) * MS for _ in arm]
        rig.run(int(rng.integers(200, 500)))
    rig.run(3000)
    assert all(report.verdict is Verdict.ACCEPTED for report in rig.of_phase(Phase.SCHEDULED))
    assert len(messages) == chunks
    return rig, messages, arrivals


@pytest.fixture(scope="module", params=[("legacy", 1), ("legacy", 2), ("splice", 1), ("splice", 3)], ids=str)
def driven(request):
    rule, seed = request.param
    rig, messages, arrivals = drive(rule, seed)
    start = arrivals[0] + 20 * MS
    return rig, rule, messages, arrivals, curve.executed_curve(messages, arrivals, rule, start, rig.now)


def test_no_step_at_replacement(driven):
    rig, rule, messages, arrivals, _ = driven
    for k in range(1, len(messages)):
        change = arrivals[k] if rule == "legacy" else messages[k].stamp_ns
        before, after = (curve.sample(m, change) for m in messages[k - 1 : k + 1])
        np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(after[1], before[1], rtol=0, atol=1e-7)
        np.testing.assert_allclose(after[2], before[2], rtol=0, atol=1e-4)


def test_executed_is_what_commanded_at_says(driven):
    rig, rule, messages, arrivals, (times, q, v, a, _) = driven
    late = times > rig.now - 4_900 * MS
    commanded = [np.array(x) for x in zip(*(rig.controller.commanded_at(int(t)) for t in times[late]))]
    for one, other, tolerance in zip((q, v, a), commanded, (1e-10, 1e-8, 1e-5)):
        np.testing.assert_allclose(one[late], other, rtol=0, atol=tolerance)


def test_executed_curve_keeps_the_limits(driven):
    rig, _, _, _, (times, q, v, a, j) = driven
    limits = rig.card.arms[0].limits
    assert np.all(q >= limits.position_lower) and np.all(q <= limits.position_upper)
    for values, limit in ((v, limits.velocity), (a, limits.acceleration), (j, limits.jerk)):
        assert np.all(np.abs(values) <= np.array(limit))
    tool = rig.model.forward_batch(q)[:, :3, 3]
    assert np.all(tool >= np.array(limits.workspace_min) - 1e-6)
    assert np.all(tool <= np.array(limits.workspace_max) + 1e-6)
    assert np.linalg.norm(np.diff(tool, axis=0), axis=1).max() / 1e-3 <= limits.tool_speed


def test_every_message_ends_at_rest_and_passes_the_checks(driven):
    rig, rule, messages, arrivals, _ = driven
    for message, arrival in zip(messages, arrivals):
        assert not message.velocities[-1].any() and not message.accelerations[-1].any()
        assert np.all(np.diff(message.times_ns) > 0) and message.times_ns[0] == 0
        assert message.stamp_ns > 0 and message.end_ns > arrival
        assert message.joint_names == tuple(rig.card.arms[0].joints)


def test_message_takes_the_form_of_the_rule(driven):
    rig, rule, messages, arrivals, _ = driven
    for k in range(1, len(messages)):
        before, message = messages[k - 1], messages[k]
        if rule == "splice":
            assert arrivals[k] < message.stamp_ns
            continue
        # begins at a knot that was running when the chunk came in, and repeats the running ones after it
        running = {before.stamp_ns + int(t): i for i, t in enumerate(before.times_ns)}
        assert message.stamp_ns <= arrivals[k] and message.stamp_ns in running
        np.testing.assert_array_equal(message.positions[0], before.positions[running[message.stamp_ns]])


def test_legacy_first_message_begins_where_the_arm_stands(rig):
    rig.send(np.tile([0.01, 0, 0, 0, 0, 0], (16, 1)))
    message = rig.trajectories[0]
    assert message.stamp_ns == rig.now
    np.testing.assert_array_equal(message.positions[:2], [rig.q, rig.q])
    assert not message.velocities[:2].any()
    assert message.times_ns[1] == 20 * MS


def test_splice_a_motion_that_begins_anew_holds_until_it_takes_over():
    """From as soon as the message can arrive: what was sent before, and has not begun, would begin in the meantime."""
    rig = Rig(make_card(rule="splice"))
    rig.send(np.tile([0.01, 0, 0, 0, 0, 0], (16, 1)))
    message = rig.trajectories[0]
    assert message.stamp_ns == rig.now + 6 * MS and message.times_ns[1] == 14 * MS  # brake_margin, planning_margin
    np.testing.assert_array_equal(message.positions[:2], [rig.q] * 2)
    assert not message.velocities[:2].any() and not message.accelerations[:2].any()
    rig.run(300)
    rig.send(np.tile([0.01, 0, 0, 0, 0, 0], (16, 1)), 1)
    assert rig.arm_messages[-1].stamp_ns >= rig.now + 20 * MS, "one that continues it does so from its splice"


def test_same_input_same_bits():
    first, second = (drive("legacy", 5, chunks=5)[1] for _ in range(2))
    for one, other in zip(first, second):
        assert one.stamp_ns == other.stamp_ns
        for field in ("times_ns", "positions", "velocities", "accelerations"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
