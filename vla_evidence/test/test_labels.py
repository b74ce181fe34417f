"""Each failure label is provoked, and stays away from a success and from failures of another kind."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from label_samples import SECOND, START, Script, add_plan, blank, fill, on_a_bag

from vla_contract.report import Clamp, Verdict
from vla_evidence.labels.labels import Label, findings_by_rules, findings_from_truth, label_rules, label_truth
from vla_evidence.labels.moments import tool_to
from vla_evidence.labels.track import Sample, TrackError
from vla_evidence.labels.view import ReferenceView, ViewError
from vla_policy.policy import Decision
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

OPEN, CLOSED = 1.0, 0.0


def still(gripper: float = OPEN) -> np.ndarray:
    return np.array([0, 0, 0, 0, 0, 0, gripper], dtype=float)


@pytest.fixture(scope="module")
def script(card):
    cell = SimulatedCell(card)
    yield Script(cell)
    cell.world.close()


@pytest.fixture(scope="module")
def episodes(script):
    """One real episode of the simulator a kind."""
    expert = script.expert()
    world = script.cell.world
    other = next(n for n in world.task.layout if n != world.task.target and n.endswith("_block"))
    let_go = []

    def dropping(seen, t):
        if seen.held and seen.target[2] > 0.06:
            let_go.append(t)
        return still() if let_go else expert(seen, t)

    slow = np.array([0.3] * 6 + [1.0])
    found = {
        "success": script.run(expert),
        Label.TOO_SLOW: script.run(lambda seen, t: expert(seen, t) * slow, seconds=4.0, time_limit_s=4.0),
        Label.WRONG_OBJECT: script.run(script.expert(aim=other), aim=other, seconds=5.0),
        Label.MISSED_GRASP: script.run(script.expert(offset=(0.0, 0.0, 0.05)), seconds=5.0),
        Label.DROPPED: script.run(dropping, seconds=5.0),
        Label.NO_PROGRESS: script.run(lambda seen, t: still(), seconds=6.0),
        Label.OUT_OF_WORKSPACE: script.run(lambda seen, t: still() + [0, 0.02 * (t < 2.2), 0, 0, 0, 0, 0], seconds=3.5),
        Label.VIEWPOINT: script.run(lambda seen, t: still(), seconds=0.3, perturbation="viewpoint=0.1"),
    }
    found[Label.LIMITS_IGNORED] = greedy(script.cell)
    return found


def greedy(cell):
    """The real controller under a policy that asks for 10 cm each step, forth and back."""

    class Greedy:
        def reset(self):
            self.sign = 1.0

        def infer(self, observation, ask):
            self.sign = -self.sign
            actions = np.tile(still(), (16, 1))
            actions[:, 1] = np.where(np.arange(16) % 2 == 0, 0.1, -0.1) * self.sign
            return Decision(actions)

    runner = LockstepRunner(
        cell.card, cell.world, cell.new_controller, Greedy(), latency=LatencyModel(0.05, 0.0, 0.0), replan_steps=8
    )
    cell.world.reset("pick", 0)
    track = blank(cell.card, task="pick", target=cell.world.task.target, time_limit_s=2.0)
    runner.on_tick = lambda now_ns: track.sample_world(cell.world)
    runner.on_reports = lambda reports: [track.add_report(report) for report in reports]
    result = runner.run("pick", 0, time_limit_s=2.0)
    track.finish(cell.world.now_ns, success=result.success)
    return track


# Ground truth


@pytest.mark.parametrize("label", list(Label))
def test_ground_truth_gives_each_label_to_the_episode_that_provokes_it(episodes, label):
    track = episodes[label]
    finding = label_truth(track)
    assert track.success is False
    assert finding is not None and finding.label is label, (finding, findings_from_truth(track))
    assert track.start_ns <= finding.stamp_ns <= track.end_ns
    assert any(ch.isdigit() for ch in finding.words) or label is Label.WRONG_OBJECT, finding.words
    if label not in (Label.VIEWPOINT,):
        assert finding.sequence in {c.sequence for c in track.chunks}


@pytest.mark.parametrize("label", list(Label))
def test_ground_truth_keeps_each_label_from_other_failures(episodes, label):
    """Not even among what counts less. What drops an object or misses it may stand still afterwards: that is true as well."""
    true_as_well = {
        Label.NO_PROGRESS: {Label.DROPPED, Label.MISSED_GRASP, Label.WRONG_OBJECT},
    }
    for kind, track in episodes.items():
        if kind in ("success", label) or kind in true_as_well.get(label, ()):
            continue
        assert label not in [f.label for f in findings_from_truth(track)], (kind, findings_from_truth(track))


def test_a_success_has_no_label(episodes):
    track = episodes["success"]
    assert track.success is True and track.truth
    assert findings_from_truth(track) == [] and findings_by_rules(track) == []
    unknown = replace(track, success=None)  # as on a real arm: rules must not find fault with a good run either
    assert findings_by_rules(unknown) == [] and findings_from_truth(unknown) == []


def test_the_first_bad_moment_is_when_it_happened(episodes):
    track = episodes[Label.DROPPED]
    finding = label_truth(track)
    before = [s for s in track.samples if s.t_ns <= finding.stamp_ns]
    after = [s for s in track.samples if s.t_ns > finding.stamp_ns]
    assert before[-1].held == track.info.target and all(s.held != track.info.target for s in after)
    chunk = next(c for c in track.chunks if c.sequence == finding.sequence)
    assert abs(chunk.stamp_ns - finding.stamp_ns) <= 150_000_000


def test_viewpoint_is_not_said_where_the_trial_fails_without_it_too(episodes):
    track = episodes[Label.VIEWPOINT]
    assert label_truth(track, nominal_success=True).label is Label.VIEWPOINT
    assert label_truth(track, nominal_success=False) is None


def test_brushing_another_object_is_no_wrong_object_where_the_named_one_was_held(card):
    track = blank(card, target="red_block")
    fill(
        track, 3.0, tool=(0.5, 0, 0.1), opening=0.5, done=False,
        goal_m=0.08, first_touched="blue_block", held=lambda t: "red_block" if 1.0 < t < 2.0 else "",
        objects=lambda t: {"red_block": (0.5, 0, 0.05 if 1.0 < t < 2.0 else 0.02)},
    )  # fmt: skip
    track.finish(track.end_ns, success=False)
    assert label_truth(track).label is Label.DROPPED


def test_the_way_to_what_nobody_knows_is_not_known():
    seen = Sample(0, tool=np.array([0.1, 0.2, 0.3]), objects={"cup": np.array([0.1, 0.5, 0.7])})
    assert tool_to(seen, "cup") == pytest.approx(0.5)
    assert [tool_to(seen, "bowl"), tool_to(seen._replace(tool=None), "cup"), tool_to(Sample(0), "cup")] == [None] * 3


def test_an_object_off_the_table_is_out_of_the_workspace(card):
    track = blank(card, target="cup")
    fill(track, 2.0, tool=(0.5, 0, 0.3), held="", first_touched="cup", done=False,
         objects=lambda t: {"cup": (0.5, 0.3 + 0.2 * t, 0.0 if t < 1.5 else -0.4)})  # fmt: skip
    track.finish(track.end_ns, success=False)
    finding = label_truth(track)
    assert finding.label is Label.OUT_OF_WORKSPACE and "fell off" in finding.words
    assert finding.stamp_ns == pytest.approx(START + 0.65 * SECOND, abs=0.1 * SECOND)


def test_a_track_that_is_not_finished_or_goes_back_in_time_is_an_error(card):
    track = blank(card)
    with pytest.raises(TrackError, match="no samples"):
        label_truth(track)
    track.append(SECOND)
    with pytest.raises(TrackError, match="not finished"):
        label_rules(track)
    with pytest.raises(TrackError, match="time goes forward"):
        track.append(SECOND - 1)


def test_a_world_is_looked_at_only_when_a_sample_is_due(card):
    class World:
        now_ns, looks = START, 0

        def progress(self):
            self.looks += 1
            objects = {"cup": (0.5, -0.2, 0.03)}
            return SimpleNamespace(held="cup", first_touched="bowl", done_now=True, objects=objects, goal_distance=0.1)

        def joint_state(self):
            names = (*card.arms[0].joints, card.arms[0].gripper.joint)
            return names, np.array([*np.arange(1.0, 8.0), 0.01]), np.zeros(8)

        def tool_pose(self):
            return np.array([[0.0, 1, 0, 0.4], [1, 0, 0, -0.3], [0, 0, -1, 0.2], [0, 0, 0, 1]])

    track, world = blank(card), World()
    for _ in range(100):
        track.sample_world(world)
        world.now_ns += 10_000_000
    assert world.looks == len(track.samples) == 20
    seen = track.samples[3]
    assert (seen.t_ns, seen.opening) == (START + 150_000_000, pytest.approx(0.25))
    assert (seen.held, seen.first_touched, seen.done, seen.goal_m) == ("cup", "bowl", True, 0.1)
    told = seen.tool.tolist(), seen.joints.tolist(), seen.objects["cup"].tolist()
    assert told == ([0.4, -0.3, 0.2], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0.5, -0.2, 0.03])


# Rules


def clamps(limit: str, amount: float = 0.4) -> tuple[Clamp, ...]:
    return tuple(Clamp(step, limit, amount) for step in range(4))


def closing(t: float) -> float:
    return OPEN if t < 3.0 else CLOSED


RULES = {
    Label.OUT_OF_WORKSPACE: lambda card: on_a_bag(card, clamps=clamps("workspace z")),
    Label.LIMITS_IGNORED: lambda card: on_a_bag(card, clamps=clamps("tool_speed")),
    Label.DROPPED: lambda card: on_a_bag(
        card, gripper=closing, opening=lambda t: 1.0 if t < 3.2 else (0.5 if t < 5.5 else 0.0)
    ),
    Label.MISSED_GRASP: lambda card: on_a_bag(card, gripper=closing, opening=lambda t: 1.0 if t < 3.2 else 0.01),
    Label.TOO_SLOW: lambda card: on_a_bag(card, skipped=9),
    Label.NO_PROGRESS: lambda card: on_a_bag(card, joints=lambda t: np.full(7, 0.1 * min(t, 1.0))),
}


def good(card):
    """Approach, grip, lift and stand: the outcome is not known, and nothing is wrong."""
    return on_a_bag(
        card, gripper=closing, opening=lambda t: 1.0 if t < 3.1 else max(0.5, 1.0 - (t - 3.1) * 2),
        joints=lambda t: np.full(7, 0.1 * min(t, 4.0)), clamps=clamps("acceleration panda_joint2")[:1], skipped=2,
    )  # fmt: skip


@pytest.mark.parametrize("label", [*RULES])
def test_rules_give_each_label_to_the_run_that_provokes_it_and_to_no_other(card, label):
    finding = label_rules(RULES[label](card))
    assert finding is not None and finding.label is label, finding
    for other, make in RULES.items():
        if other is not label:
            assert label not in [f.label for f in findings_by_rules(make(card))], other
    assert findings_by_rules(good(card)) == []


def test_the_clamps_that_count_are_named_with_their_excess(card):
    finding = label_rules(RULES[Label.LIMITS_IGNORED](card))
    assert finding.sequence == 0 and "100%" in finding.words and "tool_speed by up to 0.4 m/s" in finding.words


def test_a_braked_end_of_plans_is_no_ignored_limit(card):
    assert findings_by_rules(on_a_bag(card, clamps=clamps("open_loop"))) == []


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ([(0.4 * k, Verdict.STALE) for k in range(6)], "refused as too old"),
        ([(2.0 * k, Verdict.ACCEPTED) for k in range(5)], "longest wait"),
        ([(t, Verdict.ACCEPTED) for t in (0.0, 4.0, 4.4, 4.8)], "the longest wait for the next plan was 3.60 s"),
    ],
)
def test_plans_that_are_too_old_or_too_rare_are_too_slow(card, plans, words):
    track = blank(card)
    for sequence, (t, verdict) in enumerate(plans):
        add_plan(track, sequence, START + round(t * 1e9), verdict=verdict)
    finding = label_rules(fill(track, 9.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0))
    assert finding.label is Label.TOO_SLOW and words in finding.words


@pytest.mark.parametrize(
    ("label", "plan"),
    [
        (Label.TOO_SLOW, {"verdict": Verdict.STALE}),
        (Label.TOO_SLOW, {"skipped": 9}),
        (Label.LIMITS_IGNORED, {"verdict": Verdict.INFEASIBLE, "message": "no motion within the limits: jerk panda_joint3 by 2"}),
    ],
)
def test_of_fewer_than_three_plans_no_share_is_judged(card, label, plan):
    for count, found in ((2, []), (3, [label])):
        track = blank(card)
        for k in range(count):
            add_plan(track, k, START + k * 400_000_000, **plan)
        fill(track, 4.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)
        assert [f.label for f in findings_by_rules(track)] == found


@pytest.mark.parametrize(("steps", "found"), [(9, []), (10, [Label.OUT_OF_WORKSPACE])])
def test_of_less_than_a_second_of_motion_no_share_of_clamped_steps_is_judged(card, steps, found):
    track = blank(card)
    add_plan(track, 0, START, steps=steps, clamps=tuple(Clamp(k, "workspace x", 0.1) for k in range(7)))
    fill(track, 4.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)
    assert [f.label for f in findings_by_rules(track)] == found


def test_a_tool_that_nobody_knows_of_any_more_was_outside_by_what_was_seen(card):
    edge = card.arms[0].limits.workspace_max[0]

    def tool(t):
        return None if t > 2.0 else (edge - 0.1 if t < 1.0 else edge + 0.02 * t, 0.0, 0.3)

    finding = label_rules(fill(blank(card), 3.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0, tool=tool))
    assert finding.label is Label.OUT_OF_WORKSPACE and finding.words.endswith("for 1.0 s, by up to 40 mm")


def test_a_slower_speed_scale_alone_is_not_too_slow(card):
    track = blank(card)
    for k in range(12):  # each step takes twice its period, and plans follow without a wait
        add_plan(track, k, START + k * 800_000_000, steps=8)
    assert label_rules(fill(track, 9.0, joints=lambda t: np.full(7, 0.1 * t), opening=1.0)) is None


def scene(rng, dx: int = 0) -> np.ndarray:
    """An image of things that stand still, and of others that lie elsewhere each time."""
    image = np.full((224, 224, 3), 90, dtype=np.uint8)
    image[:40] = 160
    image[60:200, 30 + dx : 50 + dx] = 30
    image[100:110, 120 + dx : 190 + dx] = 220
    for _ in range(3):
        y, x = rng.integers(60, 200, 2)
        image[y : y + 12, x : x + 12] = rng.integers(0, 255, 3)
    return image


def test_a_shifted_view_is_seen_and_a_steady_one_is_not(card):
    rng = np.random.default_rng(0)
    reference = ReferenceView("front", [scene(rng) for _ in range(6)])
    assert reference.steady
    same, moved = reference.shift(scene(rng)), reference.shift(scene(rng, dx=22))
    assert same < 0.02 and moved == pytest.approx(22 / 224, abs=0.02)
    finding = label_rules(good(card), views={"front": moved})
    assert finding.label is Label.VIEWPOINT and "front" in finding.words
    assert label_rules(good(card), views={"front": same}) is None


def test_a_camera_that_sees_something_else_each_time_is_no_reference():
    rng = np.random.default_rng(1)
    wandering = ReferenceView("wrist", [scene(rng, dx=int(dx)) for dx in (0, 25, -20, 12, -28)])
    assert not wandering.steady
    with pytest.raises(ViewError, match="camera front: 3 reference images, at least 4"):
        ReferenceView("front", [scene(rng)] * 3)
