"""What tells real arms from the simulator: grippers that start closed or are slow, drivers that tell no number, bags that hold
little, policies whose plans are refused."""

from dataclasses import replace

import numpy as np
import pytest
from label_samples import SECOND, START, add_plan, blank, fill, on_a_bag

from vla_contract.report import Clamp, Verdict
from vla_evidence.labels.labels import Label, findings_by_rules, findings_from_truth, label_rules, label_truth

OPEN, CLOSED = 1.0, 0.0


def clamps(limit: str) -> tuple[Clamp, ...]:
    return tuple(Clamp(step, limit, 0.4) for step in range(4))


def labels(track) -> list[Label]:
    return [f.label for f in findings_by_rules(track)]


def failed(track):
    track.finish(track.end_ns, success=False)
    return track


def still(t: float) -> np.ndarray:
    return np.full(7, 0.3)


# Limits


@pytest.mark.parametrize(
    ("limit", "label", "words"),
    [
        ("position panda_joint4", Label.LIMITS_IGNORED, "position by up to 0.4 rad"),
        ("collision panda_link5 panda_link7", Label.LIMITS_IGNORED, "collision by up to 0.4 m"),
        ("collision panda_link7 table", Label.LIMITS_IGNORED, "collision by up to 0.4 m"),
        ("jerk panda_joint2", Label.LIMITS_IGNORED, "jerk by up to 0.4 rad/s^3"),
        ("reach", Label.OUT_OF_WORKSPACE, "reach by up to 0.4 m"),
    ],
)
def test_every_limit_that_a_policy_can_ask_beyond_has_its_label(card, limit, label, words):
    finding = label_rules(on_a_bag(card, clamps=clamps(limit)))
    assert finding.label is label and words in finding.words and "100%" in finding.words
    truth = failed(
        fill_truth(on_a_bag(card, seconds=2.0, clamps=clamps(limit), sampled=False), 2.0, tool=(0.5, 0.0, 0.2))
    )
    assert [f.label for f in findings_from_truth(truth)] == [label]


@pytest.mark.parametrize("limit", ["open_loop", "gripper arm.gripper", "other"])
def test_a_limit_that_is_none_of_the_arms_has_no_label(card, limit):
    assert labels(on_a_bag(card, clamps=clamps(limit))) == []


def refused(card, message: str, *, of: int = 1, verdict=Verdict.INFEASIBLE):
    """A run in which one plan of `of` is refused."""
    track = blank(card)
    for k in range(20):
        bad = k % of == 0
        words = message if bad else ""
        add_plan(track, k, START + k * 400_000_000, verdict=verdict if bad else Verdict.ACCEPTED, message=words)
    return fill(track, 8.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)


@pytest.mark.parametrize(
    ("limit", "label"),
    [("position panda_joint4", Label.LIMITS_IGNORED), ("collision a table", Label.LIMITS_IGNORED),
     ("workspace z", Label.OUT_OF_WORKSPACE)],
)  # fmt: skip
def test_plans_refused_for_a_limit_count_like_clamped_ones(card, limit, label):
    words = f"no motion within the limits: {limit} exceeded by 0.31; the motion under way stays"
    finding = label_rules(refused(card, words))
    assert finding.label is label and finding.sequence == 0 and finding.stamp_ns == START
    assert "20 of 20 plans were refused" in finding.words and limit in finding.words
    assert labels(refused(card, words, of=2)) == [label]
    assert labels(refused(card, words, of=3)) == []


def test_plans_refused_for_another_reason_are_no_ignored_limit_and_not_late(card):
    for verdict in (Verdict.INFEASIBLE, Verdict.STOPPED, Verdict.NOT_FINITE):
        assert labels(refused(card, "planned 12 ms too late: this computer is too busy", verdict=verdict)) == []
        assert labels(refused(card, "the operator's stop", of=2, verdict=verdict)) == []


def test_a_pause_in_which_plans_were_refused_is_no_wait_for_plans(card):
    track = blank(card)
    for k in range(20):  # a stop is latched from 2 s to 6 s
        add_plan(track, k, START + k * 400_000_000, verdict=Verdict.STOPPED if 5 <= k < 15 else Verdict.ACCEPTED)
    assert labels(fill(track, 8.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)) == []


def test_plans_that_come_in_bursts_are_waited_for(card):
    """Every 2 s two at once: the second supersedes the first."""
    track = blank(card)
    for k in range(10):
        verdict = Verdict.ACCEPTED if k % 2 else Verdict.SUPERSEDED
        add_plan(track, k, START + (k // 2) * 2 * SECOND, verdict=verdict)
    assert labels(fill(track, 10.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)) == [Label.TOO_SLOW]


# Grippers


def test_a_gripper_that_is_closed_at_the_start_has_missed_nothing(card):
    def track(begin: float):
        """The first plan, open, comes at `begin` and the fingers with it; they close on an object at 4 s."""
        track = blank(card)
        for k in range(19):
            t = begin + 0.4 * k
            add_plan(track, k, START + round(t * 1e9), gripper=OPEN if t < 4.0 else CLOSED)
        opening = lambda t: 0.0 if t < begin + 0.2 else (1.0 if t < 4.2 else 0.5)  # noqa: E731
        return fill(track, 8.0, joints=lambda t: np.full(7, 0.1 * t), opening=opening)

    assert labels(track(0.6)) == []
    never = track(0.6)
    never.samples[:] = [s._replace(opening=0.0 if s.opening == 0.5 else s.opening) for s in never.samples]
    assert labels(never) == [Label.MISSED_GRASP]
    assert label_rules(never).stamp_ns > START + 4 * SECOND


@pytest.mark.parametrize("opening", [0.0, lambda t: 1.0 if t < 0.5 else 0.0])
def test_a_task_done_with_closed_fingers_has_missed_nothing(card, opening):
    """Whether they were closed before, or close once with the first plan."""
    assert labels(on_a_bag(card, gripper=CLOSED, opening=opening)) == []


def test_fingers_that_were_told_to_open_and_never_did_have_missed_nothing(card):
    assert labels(on_a_bag(card, gripper=lambda t: OPEN if t < 1.0 else CLOSED, opening=0.0)) == []


def test_ground_truth_takes_a_closed_start_for_no_attempt_either(card):
    def track(opening, gripper, **more):
        track = on_a_bag(card, seconds=3.0, gripper=gripper, sampled=False)
        return failed(fill_truth(track, 3.0, tool=(0.5, 0.0, 0.05), opening=opening, **more))

    assert findings_from_truth(track(0.0, CLOSED)) == []
    late = track(lambda t: 1.0 if t < 1.5 else 0.0, lambda t: OPEN if t < 1.2 else CLOSED)
    assert [f.label for f in findings_from_truth(late)] == [Label.MISSED_GRASP]
    for across, found in ((0.09, [Label.MISSED_GRASP]), (0.11, [])):  # a hand that closes elsewhere tries nothing
        away = {"objects": {"red_block": (0.5, across, 0.05)}}
        told = findings_from_truth(track(lambda t: 1.0 if t < 1.5 else 0.0, lambda t: OPEN if t < 1.2 else CLOSED, **away))
        assert [f.label for f in told] == found


def closing(t: float) -> float:
    return OPEN if t < 2.0 else CLOSED


@pytest.mark.parametrize("seconds", [0.4, 2.0, 4.0])
def test_a_slow_gripper_that_closes_on_nothing_held_nothing(card, seconds):
    opening = lambda t: min(1.0, max(0.0, 1.0 - (t - 2.1) / seconds))  # noqa: E731
    assert labels(on_a_bag(card, gripper=closing, opening=opening)) == [Label.MISSED_GRASP]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0])
def test_what_slips_from_a_slow_gripper_was_dropped(card, seconds):
    """The whole way in `seconds`: fingers stop on the object at 0.5, and close when it slips at 6 s."""
    noise = np.random.default_rng(3)

    def opening(t):
        way = max(0.5, 1.0 - max(0.0, t - 2.1) / seconds) - max(0.0, t - 6.0) / seconds
        return max(0.0, way) + noise.normal(0.0, 0.004)

    finding = label_rules(on_a_bag(card, seconds=9.0, gripper=closing, opening=opening))
    assert finding.label is Label.DROPPED and finding.stamp_ns >= START + 6 * SECOND


def test_noise_of_the_joints_and_a_held_object_make_no_label(card):
    noise = np.random.default_rng(4)
    track = on_a_bag(
        card, gripper=closing, opening=lambda t: (1.0 if t < 2.3 else 0.5) + noise.normal(0.0, 0.005),
        joints=lambda t: np.full(7, 0.1 * min(t, 3.0)) + noise.normal(0.0, 0.001, 7),
    )  # fmt: skip
    assert labels(track) == []


def test_an_arm_that_stands_is_seen_through_the_noise_of_its_joints(card):
    noise = np.random.default_rng(5)
    track = on_a_bag(card, joints=lambda t: still(t) + noise.normal(0.0, 0.002, 7))
    assert labels(track) == [Label.NO_PROGRESS]


def test_without_a_gripper_only_an_arm_that_never_began_made_no_progress(card):
    """Nothing tells when a task without a grasp was done: an arm that stands at its end may have done it."""
    arm = card.arms[0].model_dump() | {"gripper": None}
    action = card.action.model_dump() | {"names": card.action.names[:-1]}
    state = card.state.model_dump() | {"fields": card.state.fields[:-1]}
    bare = card.model_copy(update={"arms": [arm], "action": action, "state": state})
    assert labels(on_a_bag(bare, opening=None, joints=lambda t: np.full(7, 0.1 * min(t, 2.0)))) == []
    assert labels(on_a_bag(bare, opening=None, joints=still)) == [Label.NO_PROGRESS]


# Where the tool and the objects are


def test_a_run_that_begins_outside_the_box_is_out_of_it_only_if_it_leaves_again(card):
    inward = lambda t: (0.5, min(0.2, -0.5 + 0.1 * t), 0.3)  # noqa: E731
    assert labels(on_a_bag(card, tool=inward)) == []
    again = lambda t: (0.5, -0.5 + 0.2 * t, 0.3)  # noqa: E731
    finding = label_rules(on_a_bag(card, tool=again))
    assert finding.label is Label.OUT_OF_WORKSPACE and finding.stamp_ns > START + 4 * SECOND


def fill_truth(track, seconds: float, *, tool, opening=1.0, target: str = "red_block", **each):
    """Samples with ground truth: the target lies 3 cm from the tool, and has 8 cm to go."""
    track.info = replace(track.info, target=target)
    return fill(track, seconds, tool=tool, opening=opening, joints=still, done=False,
                **{"held": "", "first_touched": "", "objects": {target: (0.5, 0.03, 0.02)}, "goal_m": 0.08, **each})  # fmt: skip


def test_what_was_touched_before_the_run_tells_nothing(card):
    track = fill_truth(blank(card), 2.0, tool=(0.5, 0.0, 0.2), first_touched="blue_block")
    assert findings_from_truth(failed(track)) == []
    track = fill_truth(blank(card), 2.0, tool=(0.5, 0.0, 0.2), first_touched=lambda t: "blue_block" if t > 1.0 else "")
    assert label_truth(failed(track)).label is Label.WRONG_OBJECT


def test_ground_truth_that_begins_late_and_ends_early_still_tells_of_a_drop(card):
    """As in a bag: joint states begin before the first TaskState, and go on after the last."""

    def known(value):
        return lambda t: value(t) if 0.3 < t < 5.5 else None

    def track(until: float):
        held = lambda t: "red_block" if 1.0 < t < until else ""  # noqa: E731
        return failed(fill_truth(
            blank(card), 6.5, tool=(0.5, 0.0, 0.2), held=known(held), first_touched=known(held),
            objects=known(lambda t: {"red_block": (0.5, 0.0, 0.08 if 1.0 < t < until else 0.02)}),
        ))  # fmt: skip

    assert label_truth(track(3.0)).label is Label.DROPPED
    held = track(9.0)  # as long as anyone knows
    assert [f.label for f in findings_from_truth(held)] == [Label.NO_PROGRESS], "it hung where it was lifted to"
