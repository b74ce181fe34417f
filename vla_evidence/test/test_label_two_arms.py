"""Labels of cells with two arms, from bags: each arm is judged, and named."""

from dataclasses import replace

import numpy as np
import pytest
from evidence_samples import MS, RUNS, SECOND, START, BagDraft
from geometry_msgs.msg import Point, Pose
from label_samples import fill, pair_of, pair_urdf, with_a_third_arm
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from vla_bags.reader import Bag
from vla_contract.action_space import ActionSpace
from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_contract.ros.convert import ns_to_stamp, report_to_msg
from vla_contract.status import PolicyState
from vla_evidence.labels.labels import label_truth
from vla_evidence.labels.track import EpisodeTrack
from vla_evidence.rows.from_bag import BagRows
from vla_motion.model import RobotModel
from vla_msgs.msg import ObjectPose, TaskState

SIDES = ("left", "right")
WORDS = "pick up the red block"


@pytest.fixture(scope="module")
def pair(card):
    return pair_of(card)


def moving(t: float) -> np.ndarray:
    """Turns the hand, so that the tool stays where it is."""
    return np.array([0, 0, 0, 0, 0, 0, 0.05 * t])


def standing(t: float) -> np.ndarray:
    return np.zeros(7)


def early(t: float) -> float:
    return 0.0 if t >= 2.0 else 1.0


class PairDraft:
    """A run of two arms: a function of time [s] for what each does."""

    def __init__(self, card, *, offset=(moving, moving), gripper=(None, None), opening=(None, None), seconds=9.0, said=True,
                 clamps: tuple[Clamp, ...] = ()):  # fmt: skip
        """offset [rad] from home of all joints, gripper: what it is told, opening: what it does."""
        self.card, self.seconds = card, seconds
        self.draft = BagDraft(card)
        self.draft.say(START - SECOND, "robot_description", String(data=pair_urdf()))
        always = lambda t: 1.0  # noqa: E731
        for k in range(int(seconds / 0.2)):
            self.draft.status(START + k * 200 * MS, RUNS[0], WORDS)
        self.draft.status(START + round(seconds * SECOND), "", state=PolicyState.IDLE)
        for k in range(int(seconds / 0.4) if said else 0):
            self._report(k, [(told or always)(0.4 * k) for told in gripper], clamps)
        for k in range(int(seconds * 50)):
            t = 0.02 * k
            message = JointState()
            for arm, away, is_open in zip(card.arms, offset, opening, strict=True):
                if away is not None:  # else this arm's driver is not in the bag
                    message.name += [*arm.joints, arm.gripper.joint]
                    message.position = [*message.position, *(np.array(arm.home) + away(t)), 0.04 * (is_open or always)(t)]
            message.header.stamp = ns_to_stamp(START + k * 20 * MS)
            self.draft.say(START + k * 20 * MS + MS, card.state.topic, message)

    def _report(self, k: int, told: list[float], clamps: tuple[Clamp, ...]) -> None:
        names = tuple(self.card.action.names)
        stamp = START + k * 400 * MS
        due = stamp + 100 * MS * np.arange(1, 5)
        plan = np.zeros((4, len(names)))
        plan[:, [k for k, name in enumerate(names) if name.endswith("gripper")]] = told
        common = dict(
            run_id=RUNS[0], sequence=k, chunk_stamp_ns=stamp, verdict=Verdict.ACCEPTED, names=names,
            action_space=ActionSpace.EE_DELTA,
        )  # fmt: skip
        for phase, at, fields in (
            (Phase.SCHEDULED, stamp + 50 * MS, dict(planned_actions=plan, step_stamps_ns=due)),
            (Phase.CLOSED, stamp + 500 * MS, dict(
                steps_executed=4, first_executed_ns=int(due[0]), last_executed_ns=int(due[-1]), clamps=clamps)),
        ):  # fmt: skip
            report = ChunkReport(stamp_ns=at, phase=phase, **common, **fields)
            self.draft.say(at, "vla/chunk_report", report_to_msg(report))

    def truth(self, place) -> None:
        """Ground truth of a block that nobody touches, at `place` [m] in the left arm's base frame."""
        for k in range(int(self.seconds * 20)):
            state = TaskState(task="pick", instruction=WORDS, episode=1, target_object="red_block")
            x, y, z = map(float, place)
            state.objects.append(ObjectPose(name="red_block", pose=Pose(position=Point(x=x, y=y, z=z))))
            state.header.stamp = ns_to_stamp(START + k * 50 * MS)
            self.draft.say(START + k * 50 * MS + 2 * MS, "vla/task_state", state)

    def rows(self, tmp_path, **options):
        with Bag(self.draft.write(tmp_path / "pair.mcap")) as bag:
            rows = BagRows(bag)
            (episode,), _ = rows.make(**options)
        return episode, rows


def labelled(tmp_path, card, **does) -> tuple[str, list[str]]:
    episode, rows = PairDraft(card, **does).rows(tmp_path)
    return episode.label, rows.notes


@pytest.mark.parametrize("working", [0, 1])
def test_an_arm_that_waits_while_the_other_works_is_no_stall(pair, tmp_path, working):
    offset = [standing, standing]
    offset[working] = moving
    assert labelled(tmp_path, pair, offset=offset) == ("", [])


def test_two_arms_that_stand_made_no_progress(pair, tmp_path):
    label, notes = labelled(tmp_path, pair, offset=(standing, standing))
    assert label == "NO_PROGRESS" and "no joint moved" in notes[0]


@pytest.mark.parametrize("gripping", [0, 1])
def test_two_arms_that_stand_after_either_has_closed_its_gripper_may_be_done(pair, tmp_path, gripping):
    told, does = [None, None], [None, None]
    told[gripping] = early
    does[gripping] = lambda t: 0.5 if t >= 2.2 else 1.0
    assert labelled(tmp_path, pair, offset=(standing, standing), gripper=told, opening=does) == ("", [])


def test_an_arm_that_is_not_in_the_bag_makes_no_stall(pair, tmp_path):
    assert labelled(tmp_path, pair, offset=(standing, None)) == ("", [])


@pytest.mark.parametrize("side", [0, 1])
def test_what_either_hand_misses_or_drops_is_seen_and_the_arm_named(pair, tmp_path, side):
    told = [None, None]
    told[side] = early
    closes, drops = [None, None], [None, None]
    closes[side] = lambda t: 0.0 if t >= 2.3 else 1.0
    drops[side] = lambda t: 1.0 if t < 2.3 else (0.5 if t < 5.0 else 0.0)
    label, notes = labelled(tmp_path, pair, gripper=told, opening=closes)
    assert label == "MISSED_GRASP"
    assert notes == [f"episode 1: {label}: arm {SIDES[side]}: the gripper closed to 0% of its opening, and never held anything"]
    label, notes = labelled(tmp_path, pair, gripper=told, opening=drops)
    assert label == "DROPPED" and notes[0].startswith(f"episode 1: DROPPED: arm {SIDES[side]}: the closed gripper went from 50%")


def test_the_hands_commands_are_told_apart(pair, tmp_path):
    """The right gripper is told to close, and the left one closes of itself."""
    closes = lambda t: 0.0 if t >= 2.3 else 1.0  # noqa: E731
    assert labelled(tmp_path, pair, gripper=(None, early), opening=(closes, None)) == ("", [])


@pytest.mark.parametrize("side", [0, 1])
def test_either_tool_out_of_its_own_box_is_out_of_the_workspace(pair, tmp_path, side):
    """The first joint turns the arm to its side: the tool leaves the box, in which it began."""
    offset = [standing, standing]
    offset[side] = lambda t: np.array([0.3 * t, 0, 0, 0, 0, 0, 0])
    label, notes = labelled(tmp_path, pair, offset=offset, seconds=6.0)
    assert label == "OUT_OF_WORKSPACE" and f"arm {SIDES[side]}: the tool was outside the workspace" in notes[0]


def test_a_description_that_lacks_one_arm_is_told_with_its_name(pair, tmp_path):
    drafted = PairDraft(pair, seconds=3.0)
    for _, topic, message in drafted.draft.messages:
        if topic == "/robot_description":
            message.data = message.data.replace("right_joint", "far_joint")
    _, rows = drafted.rows(tmp_path)
    assert rows.notes == ["1 robot descriptions without the card's arm right: where its tool was is not known"]


def test_ground_truth_takes_the_arms_frames_apart(pair, tmp_path):
    """Objects are told in the left arm's frame: where they are for the right one nobody knows, so that no stall is told."""
    place = left_home(pair) + [0.1, 0.0, 0.0]
    told, does = (None, early), (None, lambda t: 0.0 if t >= 2.3 else 1.0)
    drafted = PairDraft(pair, offset=(standing, standing))
    drafted.truth(place)
    episode, rows = drafted.rows(tmp_path, time_limit_s=9.0)
    assert (episode.outcome, episode.label) == ("FAILURE", "") and rows.notes == []
    drafted = PairDraft(pair, offset=(standing, standing), gripper=told, opening=does)
    drafted.truth(place)
    episode, rows = drafted.rows(tmp_path, time_limit_s=9.0)
    assert episode.label == "MISSED_GRASP" and "arm right: the gripper closed to 0%" in rows.notes[0]


def left_home(pair) -> np.ndarray:
    arm = pair.arms[0]
    model = RobotModel.from_urdf(pair_urdf(), list(arm.joints), arm.tool_frame, arm.base_frame)
    return model.forward(np.array(arm.home))[:3, 3]


def test_objects_are_known_to_each_arm_of_the_first_ones_frame_also_after_one_of_another(pair, tmp_path):
    draft = PairDraft(with_a_third_arm(pair), offset=(moving,) * 3, gripper=(None,) * 3, opening=(None,) * 3, seconds=2.0)
    draft.truth((0.5, 0.0, 0.02))
    _, rows = draft.rows(tmp_path)
    left, right, third = rows.runs[0].track.each_arm
    assert left.info.arm == "left" and third.info.arm == "third" and len(left.samples) > 30
    for ours, other, same in zip(left.samples, right.samples, third.samples, strict=True):
        assert other.objects is None, "they are in the frame of the left arm"
        assert (same.objects is None) == (ours.objects is None) and same.held == other.held == ours.held
    assert sum(s.objects is not None for s in third.samples) > 30


def test_ground_truth_of_two_arms_in_one_frame_measures_from_the_nearest_tool(card):
    """The right arm comes nearer while the left one stands."""
    def track(right):
        track = EpisodeTrack.of_card(pair_of(card))
        truth = dict(held="", first_touched="", done=False, objects={"red_block": (0.5, 0.0, 0.02)}, goal_m=0.08)
        fill(track, 8.0, tool=(0.5, 0.3, 0.2), **truth)
        fill(track.others[0], 8.0, tool=right, **truth)
        for arm in track.each_arm:
            arm.info = replace(arm.info, target="red_block")
        track.finish(track.end_ns, success=False)
        return label_truth(track)

    assert track(lambda t: (0.5, -0.3 + 0.03 * t, 0.2)) is None
    assert track((0.5, -0.35, 0.2)).label == "NO_PROGRESS"


def test_a_clamped_step_counts_for_any_arm(pair, tmp_path):
    clamps = tuple(Clamp(step, "position right_joint4", 0.2) for step in range(4))
    label, notes = labelled(tmp_path, pair, clamps=clamps)
    assert label == "LIMITS_IGNORED" and "position by up to 0.2 rad" in notes[0]
