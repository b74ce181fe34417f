"""The checker finds what is planted: a message, or a report, that is a little wrong."""

import math

import numpy as np
import pytest

from vla_bench.fuzz.books import Books
from vla_bench.fuzz.curve import Executed, refusal
from vla_bench.fuzz.curve_check import ArmLimits, CurveCheck
from vla_bench.fuzz.geometry import frames, segment_distance, self_distances, table_distances
from vla_bench.fuzz.random_cell import make_cell
from vla_bench.fuzz.robots import PANDA, ROBOTS, mjcf, urdf
from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_motion.model import RobotModel
from vla_motion.trajectory import JointTrajectory

MS = 1_000_000
HOME = np.array(PANDA.home)
JOINTS = tuple(PANDA.joint_names("arm"))


def limits(**changes) -> ArmLimits:
    """Wide ones, so that a test narrows only what it is about."""
    wide = {
        "lower": np.array(PANDA.lower), "upper": np.array(PANDA.upper), "velocity": np.full(7, 10.0),
        "acceleration": np.full(7, 1e3), "jerk": np.full(7, 1e6), "box": np.array([[-2.0] * 3, [2.0] * 3]),
        "tool_speed": 10.0, "tool_angular_speed": 50.0, "self_collision": True, "table": None,
    }  # fmt: skip
    return ArmLimits(**{**wide, **changes})


def message(q, times_ms, stamp_ms=1_000, v=None, a=None) -> JointTrajectory:
    q = np.asarray(q, dtype=float)
    zero = np.zeros_like(q)
    return JointTrajectory(
        "arm_controller/joint_trajectory", stamp_ms * MS, JOINTS, np.array(times_ms) * MS, q,
        zero if v is None else v, zero if a is None else a,
    )  # fmt: skip


def turned(angle: float, joint: int = 0, start=HOME) -> np.ndarray:
    return start + angle * np.eye(7)[joint]


def kinds_of(executed: Executed, allowed: ArmLimits, until_ms: int = 10_000, whole=frozenset()) -> dict[str, float]:
    check = CurveCheck(PANDA, allowed)
    check.run(executed, until_ms * MS, whole)
    return {found.kind: found.amount for found in check.found}


def after(*arrivals, rule: str = "legacy", start=HOME) -> Executed:
    executed = Executed(rule, np.array(start))
    for chunk, (trajectory, arrival_ms) in enumerate(arrivals):
        executed.take(trajectory, int(arrival_ms * MS), 0, chunk)
    return executed


# A minimum-jerk motion over d in T has the peaks 1.875 d / T, 5.7735 d / T^2 and 60 d / T^3.
@pytest.mark.parametrize(
    ("kind", "peak"), [("velocity", 1.875), ("acceleration", 10.0 / math.sqrt(3.0)), ("jerk", 60.0)]
)  # fmt: skip
def test_a_derivative_one_percent_above_its_limit_is_found(kind, peak):
    executed = after((message([HOME, turned(0.1)], [0, 1_000]), 1_000))
    assert kinds_of(executed, limits(**{kind: np.full(7, 0.1 * peak / 1.01)})) == {
        kind: pytest.approx(0.01, abs=2e-6 if kind == "jerk" else 2e-5)
    }
    assert kinds_of(executed, limits(**{kind: np.full(7, 0.1 * peak * 1.000001)})) == {}


def test_a_joint_beyond_its_range_is_found():
    executed = after((message([HOME, turned(0.1), HOME], [0, 500, 1_000]), 1_000))
    upper = np.array(PANDA.upper)
    upper[0] = 0.1 - 2e-6
    assert kinds_of(executed, limits(upper=upper)) == {"position": pytest.approx(2e-6, rel=1e-6)}


def test_a_tool_one_millimetre_outside_the_workspace_is_found():
    executed = after((message([HOME, turned(0.1), HOME], [0, 500, 1_000]), 1_000))
    y = frames(PANDA, turned(0.1)[None]).tool[0, 1]
    box = np.array([[-2.0] * 3, [2.0, y - 1e-3, 2.0]])
    assert kinds_of(executed, limits(box=box)) == {"workspace": pytest.approx(1e-3, rel=1e-9)}
    assert kinds_of(executed, limits(box=np.array([[-2.0] * 3, [2.0, y + 1e-9, 2.0]]))) == {}


def test_tool_speeds_beyond_the_limit_are_found():
    executed = after((message([HOME, turned(0.2)], [0, 1_000]), 1_000))
    radius = np.linalg.norm(frames(PANDA, HOME[None]).tool[0, :2])
    found = kinds_of(executed, limits(tool_speed=0.2 * 1.875 * radius / 1.01, tool_angular_speed=0.2 * 1.875 / 1.02))
    assert found == {"tool_speed": pytest.approx(0.01, abs=1e-5), "tool_angular_speed": pytest.approx(0.02, abs=1e-5)}


def test_a_hand_that_touches_the_table_is_found_and_one_above_it_is_not():
    low = turned(0.45, 1)
    executed = after((message([HOME, low, HOME], [0, 1_000, 2_000]), 1_000))
    lowest = table_distances(PANDA, frames(PANDA, low[None]), 0.0).min()
    assert kinds_of(executed, limits(table=float(lowest + 1e-4))) == {"table": pytest.approx(1e-4, abs=2e-6)}
    assert kinds_of(executed, limits(table=float(lowest - 1e-6))) == {}


def test_an_arm_that_touches_itself_is_found():
    folded = np.array([0.0, 0.0, 0.0, -3.05, 0.0, 0.1, 0.0])
    assert self_distances(PANDA, frames(PANDA, folded[None])).min() < -0.01
    executed = after((message([HOME, folded, HOME], [0, 2_000, 4_000]), 1_000))
    assert kinds_of(executed, limits())["self_collision"] > 0.01
    assert kinds_of(executed, limits(self_collision=False)) == {}


def test_a_hand_in_the_forearm_is_found_though_only_two_joints_lie_between_them():
    inside, clear = (np.array([0.0, 0.8, 0.0, -1.4, 0.0, joint6, -0.7854]) for joint6 in (0.25, 0.9))
    distance = dict(zip(PANDA.pairs(), self_distances(PANDA, frames(PANDA, inside[None]))[:, 0]))
    assert min(distance, key=distance.get) == (5, 8) and distance[5, 8] < -0.01
    assert kinds_of(after((message([clear, inside], [0, 2_000]), 1_000), start=clear), limits()) == {
        "self_collision": pytest.approx(-distance[5, 8], abs=1e-6)
    }


@pytest.mark.parametrize("robot", ROBOTS.values(), ids=list(ROBOTS))
def test_no_two_bodies_that_the_checker_holds_apart_touch_wherever_the_arm_is(robot):
    """Or it would judge what nothing can change; and none of them touches where an episode begins."""
    q = np.random.default_rng(0).uniform(robot.lower, robot.upper, (2_000, robot.joint_count))
    assert (self_distances(robot, frames(robot, q)).max(axis=1) > 0.005).all()
    starts = [make_cell(seed) for seed in range(150)]
    starts = np.concatenate([cell.start for cell in starts if cell.robot is robot] or [np.array([robot.home])])
    assert self_distances(robot, frames(robot, starts)).min() > 0.0


def test_one_that_begins_outside_may_stay_there_but_not_go_further():
    upper = np.array(PANDA.upper)
    upper[0] = 0.3
    start = turned(0.4)
    inward = after((message([start, HOME], [0, 1_000]), 1_000), start=start)
    assert kinds_of(inward, limits(upper=upper)) == {}
    outward = after((message([start, turned(0.41), HOME], [0, 500, 1_500]), 1_000), start=start)
    assert kinds_of(outward, limits(upper=upper)) == {"position": pytest.approx(0.01, rel=1e-6)}


def test_what_is_not_finite_is_found():
    q = np.stack([HOME, turned(0.1), HOME])
    q[1, 3] = np.nan
    bad = message(q, [0, 500, 1_000])
    assert refusal(bad, JOINTS, 0) == "not finite"
    assert "not_finite" in kinds_of(after((bad, 1_000)), limits())


def test_a_message_that_does_not_end_at_rest_is_found():
    a = np.zeros((2, 7))
    a[1, 2] = 0.01
    assert "not_at_rest" in kinds_of(after((message([HOME, turned(0.1)], [0, 1_000], a=a), 1_000)), limits())


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_a_message_that_continues_the_running_one_is_found_to_be_smooth(rule):
    first = message([HOME, turned(0.1), turned(0.3)], [0, 500, 1_000])
    same = message([HOME, turned(0.1), turned(0.3)], [0, 500, 1_000])
    later = JointTrajectory(first.topic, 1_500 * MS, JOINTS, np.array([0, 700 * MS]),
                            np.stack([turned(0.1), turned(0.2)]), np.zeros((2, 7)), np.zeros((2, 7)))  # fmt: skip
    second = same if rule == "legacy" else later
    assert kinds_of(after((first, 1_000), (second, 1_250.3), rule=rule), limits()) == {}


@pytest.mark.parametrize(
    ("row", "kind", "amount"), [(0, "position_step", 3e-6), (1, "velocity_step", 2e-5), (2, "acceleration_step", 2e-3)]
)
def test_a_step_at_a_splice_is_found(row, kind, amount):
    first = message([HOME, turned(0.1), turned(0.3)], [0, 500, 1_000])
    at_splice = np.zeros((3, 7))
    at_splice[0] = turned(0.1)
    at_splice[row, 0] += amount
    knots = [np.stack([x, y]) for x, y in zip(at_splice, (turned(0.2), np.zeros(7), np.zeros(7)))]
    second = JointTrajectory(first.topic, 1_500 * MS, JOINTS, np.array([0, 700 * MS]), *knots)
    assert kinds_of(after((first, 1_000), (second, 1_460), rule="splice"), limits()) == {kind: pytest.approx(amount)}


def test_a_late_message_is_found_with_the_step_it_makes():
    first = message([HOME, turned(0.3)], [0, 1_000])
    half = after((first, 1_000)).at(1_400 * MS)
    knots = [np.stack([x, y]) for x, y in zip(half, (turned(0.2), np.zeros(7), np.zeros(7)))]
    second = JointTrajectory(first.topic, 1_400 * MS, JOINTS, np.array([0, 700 * MS]), *knots)
    in_time = kinds_of(after((first, 1_000), (second, 1_399), rule="splice"), limits())
    assert in_time == {}
    late = kinds_of(after((first, 1_000), (second, 1_405), rule="splice"), limits())
    assert late["late"] == pytest.approx(5e-3)
    assert late["position_step"] > 1e-4


def test_under_the_legacy_rule_a_stamp_ahead_moves_at_once_and_that_is_a_step():
    first = message([HOME, turned(0.3)], [0, 1_000])
    half = after((first, 1_000)).at(1_440 * MS)
    knots = [np.stack([x, y]) for x, y in zip(half, (turned(0.2), np.zeros(7), np.zeros(7)))]
    second = JointTrajectory(first.topic, 1_440 * MS, JOINTS, np.array([0, 700 * MS]), *knots)
    found = kinds_of(after((first, 1_000), (second, 1_400)), limits())
    assert found["velocity_step"] > 1e-5


def test_the_part_of_a_message_that_another_one_replaced_is_judged_when_asked():
    upper = np.array(PANDA.upper)
    upper[0] = 0.25
    first = message([HOME, turned(0.1), turned(0.3)], [0, 500, 1_000])
    second = message([HOME, turned(0.1), turned(0.2)], [0, 500, 1_000])
    executed = after((first, 1_000), (second, 1_100))
    assert kinds_of(executed, limits(upper=upper)) == {}
    assert kinds_of(executed, limits(upper=upper), whole={1}) == {"position": pytest.approx(0.05, rel=1e-6)}


@pytest.mark.parametrize(
    ("bad", "clock_ms", "reason"),
    [
        (message([HOME, HOME], [0, 100]), 1_101, "already over"),
        (message([HOME, HOME], [0, 0]), 0, "times do not increase"),
        (message([HOME, HOME], [0, 100], v=np.full((2, 7), 1e-6)), 0, "moves at its end"),
    ],
)
def test_messages_that_the_controller_refuses_are_named(bad, clock_ms, reason):
    assert refusal(bad, JOINTS, clock_ms * MS) == reason


# geometry


@pytest.mark.parametrize("robot", ROBOTS.values(), ids=list(ROBOTS))
@pytest.mark.parametrize("form", ["mjcf", "urdf"])
def test_checker_and_controller_see_the_same_arm(robot, form):
    read, text = (RobotModel.from_mjcf, mjcf) if form == "mjcf" else (RobotModel.from_urdf, urdf)
    model = read(text(robot, "a"), robot.joint_names("a"), "a_tool", "a_link0")
    rng = np.random.default_rng(0)
    q = rng.uniform(robot.lower, robot.upper, (20, robot.joint_count))
    v = rng.normal(size=q.shape)
    at = frames(robot, q)
    linear, angular = at.tool_velocity(v)
    for i in range(len(q)):
        T = np.array(model.forward(q[i]))
        np.testing.assert_allclose(at.tool[i], T[:3, 3], atol=1e-12)
        np.testing.assert_allclose(at.rotations[-1, i], T[:3, :3], atol=1e-12)
        np.testing.assert_allclose(np.r_[linear[i], angular[i]], np.array(model.jacobian(q[i])) @ v[i], atol=1e-12)


def test_distance_of_segments_agrees_with_a_search():
    rng = np.random.default_rng(1)
    ends = rng.normal(size=(4, 60, 3))
    ends[3, :20] = ends[2, :20] + (ends[1, :20] - ends[0, :20])  # parallel
    ends[1, 20:25] = ends[0, 20:25]  # a point
    s = np.linspace(0.0, 1.0, 401)
    found = segment_distance(*ends)
    for i in range(60):
        p = ends[0, i] + s[:, None] * (ends[1, i] - ends[0, i])
        r = ends[2, i] + s[:, None] * (ends[3, i] - ends[2, i])
        searched = np.linalg.norm(p[:, None] - r[None], axis=2).min()
        assert found[i] <= searched + 1e-12
        assert found[i] == pytest.approx(searched, abs=2e-2)


# the books


def chunk_of(sequence: int = 0, horizon: int = 4) -> ActionChunk:
    return ActionChunk(
        stamp_ns=1_000 * MS, frame_id="arm_link0", image_stamps_ns=(1,), state_stamp_ns=1, run_id="a" * 32,
        sequence=sequence, card_hash="0" * 16, action_space=ActionSpace.JOINT_POSITION, names=JOINTS,
        actions=np.zeros((horizon, 7)), step_period_ns=100 * MS, valid_for_ns=1_000 * MS,
    )  # fmt: skip


def report_of(phase: Phase, sequence: int = 0, verdict: Verdict = Verdict.ACCEPTED, **steps) -> ChunkReport:
    return ChunkReport(
        stamp_ns=2_000 * MS, phase=phase, run_id="a" * 32, sequence=sequence, chunk_stamp_ns=1_000 * MS, verdict=verdict,
        **steps,
    )  # fmt: skip


SCHEDULED = report_of(Phase.SCHEDULED)
CLOSED = report_of(Phase.CLOSED, steps_executed=1, steps_skipped=1, steps_superseded=2)


@pytest.mark.parametrize(
    ("reports", "kinds", "unreported"),
    [
        ([SCHEDULED, CLOSED], [], 0),
        ([SCHEDULED], ["unclosed"], 1),
        ([], ["unclosed"], 1),
        ([SCHEDULED, CLOSED, CLOSED], ["closed_twice"], 1),
        ([SCHEDULED, SCHEDULED, CLOSED], ["scheduled_twice"], 0),
        ([CLOSED, SCHEDULED], ["scheduled_after_closed"], 0),
        ([SCHEDULED, report_of(Phase.CLOSED, steps_executed=3)], ["steps_do_not_add_up"], 0),
        ([SCHEDULED, CLOSED, report_of(Phase.CLOSED, 7)], ["unknown_report"], 0),
        ([SCHEDULED, CLOSED, report_of(Phase.CLOSED, 9, Verdict.LOST)], [], 0),
        ([SCHEDULED, CLOSED] + [report_of(Phase.CLOSED, 9, Verdict.LOST)] * 2, ["lost_twice"], 0),
        ([SCHEDULED, CLOSED, report_of(Phase.CLOSED, 0, Verdict.LOST)], ["lost_but_received"], 0),
    ],
)
def test_books_that_do_not_balance_are_found(reports, kinds, unreported):
    books = Books()
    books.hand_in(chunk_of(), 0, 0)
    books.take(reports, 0)
    books.close(0)
    assert [found.kind for found in books.found] == kinds
    assert books.unreported == unreported
