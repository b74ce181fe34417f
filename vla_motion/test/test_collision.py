import collision_panda
import mujoco
import numpy as np
import panda
import pinocchio as pin
import pytest

from vla_motion import collision_kernels
from vla_motion.collision import CollisionModel
from vla_motion.collision_levers import pair_levers
from vla_motion.kinematics import inverse
from vla_motion.model import ModelError, RobotModel

HOME = np.array(panda.HOME)

# a slide between two hinges; the last link carries the geometry under test
GANTRY = """<mujoco><worldbody><body name="base"><geom type="sphere" size="0.1"/>
<body name="a"><joint name="j1" axis="0 0 1"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<body name="b"><joint name="j2" type="slide" axis="1 0 0" range="0 2"/>
<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<body name="c"><joint name="j3" axis="0 1 0"/>{geom}<site name="tool"/>
</body></body></body></body></worldbody></mujoco>"""


@pytest.fixture(scope="module")
def arm():
    return collision_panda.collision()


def gantry(geom, **options):
    text = GANTRY.format(geom=geom)
    model = RobotModel.from_mjcf(text, ["j1", "j2", "j3"], "tool", "base")
    return CollisionModel.from_description(text, model, **({"self_collision": True, "table_height": None} | options))


@pytest.mark.parametrize(
    ("geom", "q", "expected"),
    [
        ('<geom type="sphere" size="0.2"/>', (0.7, 1.0, 0.3), 0.7),
        ('<geom type="capsule" size="0.05 0.3"/>', (0.7, 1.0, 0.0), 0.85),
        ('<geom type="capsule" size="0.05 0.3"/>', (0.7, 1.0, np.pi / 2), 0.55),
        ('<geom type="cylinder" size="0.05 0.3"/>', (0.0, 1.0, np.pi / 2), 0.6),
        ('<geom type="box" size="0.1 0.2 0.3"/>', (0.0, 1.0, 0.0), 0.8),
        ('<geom type="box" size="0.1 0.2 0.1"/>', (2.0, 1.0, np.pi / 4), 0.9 - np.sqrt(0.02)),
        ('<geom type="ellipsoid" size="0.1 0.2 0.3"/>', (0.0, 1.0, np.pi / 2), 0.6),
        ('<geom type="sphere" size="0.2"/>', (0.7, 0.25, 0.3), -0.05),
    ],
)
def test_distances_between_links_are_those_computed_by_hand(geom, q, expected):
    closest = gantry(geom).minimum_distance(np.array(q))
    assert closest.distance == pytest.approx(expected, abs=1e-5)
    assert {closest.first, closest.second} == {"base", "c"}


@pytest.mark.parametrize(
    ("geom", "bend", "expected"),
    [
        ('<geom type="sphere" size="0.2"/>', 0.3, 0.3),
        ('<geom type="capsule" size="0.05 0.3"/>', 0.0, 0.15),
        ('<geom type="cylinder" size="0.05 0.3"/>', np.pi / 2, 0.45),
        ('<geom type="cylinder" size="0.1 0.1"/>', np.pi / 4, 0.5 - np.sqrt(0.02)),
        ('<geom type="box" size="0.1 0.2 0.1"/>', np.pi / 4, 0.5 - np.sqrt(0.02)),
        ('<geom type="ellipsoid" size="0.1 0.2 0.3"/>', 0.0, 0.2),
    ],
)
def test_distances_to_the_table_are_those_computed_by_hand(geom, bend, expected):
    model = gantry(geom, self_collision=False, table_height=-0.5)
    closest = model.minimum_distance(np.array([0.4, 1.0, bend]))
    assert closest.distance == pytest.approx(expected, abs=1e-5)
    assert (closest.first, closest.second) == ("c", "table")


def test_meshes_stand_for_their_convex_hull():
    corners = " ".join(f"{x} {y} {z}" for x in (-0.1, 0.1) for y in (-0.2, 0.2) for z in (-0.3, 0.3))
    text = GANTRY.format(geom='<geom type="mesh" mesh="brick"/>').replace(
        "<worldbody>", f'<asset><mesh name="brick" vertex="{corners} 0.01 0.02 0.03"/></asset><worldbody>', 1
    )
    model = RobotModel.from_mjcf(text, ["j1", "j2", "j3"], "tool", "base")
    collision = CollisionModel.from_description(text, model, self_collision=True, table_height=-0.5)
    assert collision.minimum_distance(np.array([0.0, 1.0, 0.0])).distance == pytest.approx(0.2, abs=1e-5)
    assert collision.minimum_distance(np.array([0.0, 0.6, 0.0])).distance == pytest.approx(0.2, abs=1e-5)
    assert collision.minimum_distance(np.array([0.0, 0.5, 0.0])).second == "table"
    assert collision.minimum_distance(np.array([0.0, 0.25, 0.0])).distance == pytest.approx(0.05, abs=1e-5)


def test_bounds_are_never_above_the_exact_distance_and_close_to_it(arm):
    rng = np.random.default_rng(3)
    looseness = []
    for q in rng.uniform(panda.LOWER, panda.UPPER, (200, 7)):
        bounds = collision_kernels.pair_bounds(q, arm._pairs, arm._chain, arm._shapes, arm._table, np.inf)
        arm._place(q)
        results = [pin.computeDistance(arm._geometry, arm._geometry_data, p) for p in range(len(bounds))]
        exact = np.array([result.min_distance for result in results])
        assert (bounds - exact).max() < 1e-6
        looseness.append((exact - bounds)[exact > 0])
        assert arm.minimum_distance(q).distance == pytest.approx(exact.min(), abs=1e-5)
    assert np.percentile(np.concatenate(looseness), 95) < 1e-3


def test_the_smallest_bound_is_near_the_distance_where_the_others_are_not_improved(arm):
    apart = 0
    for q in np.random.default_rng(4).uniform(panda.LOWER, panda.UPPER, (60, 7)):
        bounds = collision_kernels.pair_bounds(q, arm._pairs, arm._chain, arm._shapes, arm._table, 0.0)
        distance = arm.minimum_distance(q).distance
        if distance > 0:
            assert bounds.min() == pytest.approx(distance, abs=1e-5)
            apart += 1
    assert apart > 20


@pytest.mark.parametrize("q", [(2.5794, 0.29893, 1.54941), (1.2014, 0.29123, -1.5481)])
def test_an_overlap_is_not_told_far_deeper_than_it_is(q):
    closest = gantry('<geom type="cylinder" size="0.05 0.3"/>').minimum_distance(np.array(q))
    along = -q[1] * np.sin(q[2])  # of the ball's centre, along the cylinder's axis and out from it
    out = abs(q[1] * np.cos(q[2]))
    exact = max(out - 0.05, abs(along) - 0.3) - 0.1
    assert exact - 0.015 < closest.distance <= exact + 1e-6


def test_exact_distances_agree_with_mujoco(arm):
    simulated = mujoco.MjModel.from_xml_string(collision_panda.mjcf())
    data = mujoco.MjData(simulated)
    of_body = {}
    for geom in range(simulated.ngeom):
        if simulated.geom_contype[geom]:
            of_body.setdefault(simulated.body(simulated.geom_bodyid[geom]).name, []).append(geom)
    addresses = [simulated.joint(name).qposadr[0] for name in panda.JOINTS]
    checked = 0
    for q in np.random.default_rng(5).uniform(panda.LOWER, panda.UPPER, (60, 7)):
        data.qpos[addresses] = q
        mujoco.mj_forward(simulated, data)
        closest = arm.minimum_distance(q)
        if closest.second == "table" or closest.distance < 0:
            continue
        pairs = [(a, b) for a in of_body[closest.first] for b in of_body[closest.second]]
        distance = min(mujoco.mj_geomDistance(simulated, data, a, b, 2.0, np.zeros(6)) for a, b in pairs)
        assert distance == pytest.approx(closest.distance, abs=1e-4)
        checked += 1
    assert checked > 10


def test_home_is_free_and_folded_poses_are_found(arm):
    assert arm.minimum_distance(HOME).distance > 0.03
    folded = HOME.copy()
    folded[[1, 3, 5]] = -1.7, -3.0, 0.3
    assert arm.minimum_distance(folded).distance < 0.0
    assert "table" not in (arm.minimum_distance(folded).first, arm.minimum_distance(folded).second)


def test_hand_in_the_table_is_found_and_fingers_are_let_through(arm):
    T = arm.model.forward(HOME)
    for height, free in ((0.001, True), (-0.03, True), (-0.04, False), (-0.1, False)):
        T[:3, 3] = 0.5, 0.0, height
        down = inverse(arm.model, T, HOME)
        assert down.converged
        # the palm ends 0.0374 above the tool
        assert arm.minimum_distance(down.q).distance == pytest.approx(min(0.0374 + height, 0.05), abs=2e-2)
        assert (arm.minimum_distance(down.q).distance > 0) == free
    assert arm.minimum_distance(down.q).second == "table"


def test_what_belongs_to_the_arm_is_checked_and_nothing_else(arm):
    bodies = {name for pair in arm.body_pairs for name in pair}
    assert {"panda_link0", "panda_link5", "panda_hand", "table"} <= bodies
    assert not bodies & {"finger", "block", "world"}
    against_table = {first for first, second in arm.body_pairs if second == "table"}
    assert "panda_link2" in against_table
    assert not against_table & {"panda_link0", "panda_link1"}  # their height does not change
    for first, second in arm.body_pairs:
        if second != "table":
            assert (first, second) not in [(f"panda_link{i}", f"panda_link{i + 1}") for i in range(7)]


def test_what_is_fixed_to_a_link_belongs_to_it_and_what_hangs_on_another_joint_does_not():
    side = (
        '<body name="bracket" pos="0 0.5 0"><geom type="sphere" size="0.04"/>'
        '<body name="camera" pos="0 0.2 -0.3"><geom type="sphere" size="0.03"/></body></body>'
        '<body name="flap"><joint name="loose"/><geom type="sphere" size="0.9"/>'
        '<body name="knob"><geom type="sphere" size="0.8"/></body></body>'
    )
    model = gantry('<geom type="sphere" size="0.05"/>' + side, table_height=-1.0)
    assert {first for first, second in model.body_pairs if second == "table"} == {"c", "bracket", "camera"}
    closest = model.minimum_distance(np.array([0.3, 1.0, 0.0]))
    assert (closest.first, closest.second) == ("camera", "table")
    assert closest.distance == pytest.approx(1.0 - 0.3 - 0.03, abs=1e-5)


def test_switches_are_respected():
    assert all("table" in pair for pair in collision_panda.collision(self_collision=False).body_pairs)
    assert not any("table" in pair for pair in collision_panda.collision(table_height=None).body_pairs)
    neither = collision_panda.collision(self_collision=False, table_height=None)
    assert neither.body_pairs == () and neither.minimum_distance(HOME).distance == np.inf


def test_shapes_that_always_touch_are_left_out_and_named():
    collar = '<geom type="sphere" pos="0 0 0" size="0.12"/>'
    text = collision_panda.mjcf().replace(collision_panda._GEOMS[5], collision_panda._GEOMS[5] + collar)
    model = RobotModel.from_mjcf(text, panda.JOINTS, "panda_tool", "panda_link0")
    collision = CollisionModel.from_description(text, model, self_collision=True, table_height=0.0)
    assert ("panda_link5", "panda_link7") in collision.ignored_pairs
    assert collision.minimum_distance(HOME).distance > 0


def test_height_and_base_frame_go_together():
    placed = '<body name="panda_link0" pos="1 2 3" euler="0 0 1">'
    text = collision_panda.mjcf().replace('<body name="panda_link0">', placed)
    model = RobotModel.from_mjcf(text, panda.JOINTS, "panda_tool", "panda_link0")
    moved = CollisionModel.from_description(text, model, self_collision=True, table_height=0.1)
    here = collision_panda.collision(table_height=0.1)
    for q in np.random.default_rng(0).uniform(panda.LOWER, panda.UPPER, (20, 7)):
        assert moved.minimum_distance(q).distance == pytest.approx(here.minimum_distance(q).distance, abs=1e-5)


def test_other_kinds_of_geom_are_refused_by_name():
    text = GANTRY.format(geom='<geom name="hills" type="hfield" hfield="h"/>').replace(
        "<worldbody>", '<asset><hfield name="h" nrow="2" ncol="2" size="1 1 1 1"/></asset><worldbody>', 1
    )
    model = RobotModel.from_mjcf(text, ["j1", "j2", "j3"], "tool", "base")
    with pytest.raises(ModelError, match="geom hills is of type mjGEOM_HFIELD; allowed are sphere"):
        CollisionModel.from_description(text, model, self_collision=True, table_height=None)


def slides_and_hinges():
    return gantry('<geom type="box" pos="0.1 0 0.1" size="0.1 0.2 0.3"/>', table_height=-1.0)


@pytest.mark.parametrize("make", [collision_panda.collision, slides_and_hinges])
def test_no_pair_comes_nearer_than_its_levers_say(make):
    model = make()
    rng = np.random.default_rng(6)
    low, high = (np.where(np.isfinite(x), x, s * np.pi) for x, s in ((model.model.lower, -1), (model.model.upper, 1)))

    def distances(q):
        model._place(q)
        return np.array([model._distance(p) for p in range(len(model._pairs))])

    largest = 0.0
    for q in rng.uniform(low, high, (150, len(low))):
        # one joint at a time shows a lever too short, all of them the sum
        alone = np.eye(len(low))[rng.integers(len(low))]
        change = rng.choice([-0.05, 0.0, 0.05], len(low)) if rng.uniform() < 0.5 else 0.1 * alone
        allowed = model._levers @ np.abs(change)
        before, after = distances(q), distances(q + change)
        # the depth of an overlap is not exact
        moved = np.where((before > 0) & (after > 0), np.abs(after - before), 0.0)
        assert (moved <= allowed + 1e-5).all()
        largest = max(largest, np.max((moved / np.maximum(allowed, 1e-9))[allowed > 1e-3], initial=0.0))
    assert largest > 0.7  # and the levers are not far too long


def test_speed_bounds_hold_over_each_cell():
    rng = np.random.default_rng(8)
    for _ in range(300):
        C = rng.normal(size=(1, 6, 1)) * rng.choice([0.0, 1.0], (1, 6, 1))
        begin, end = np.sort(rng.uniform(0, 2, 2))
        bound = collision_kernels.variation(C, 0, begin, end, np.ones((1, 1)), 0)
        t = np.linspace(begin, end, 200)
        path = np.abs(np.diff(t[:, None] ** np.arange(6) @ C[0, :, 0])).sum()
        speed = np.abs(t[:, None] ** np.arange(5) @ (C[0, 1:, 0] * np.arange(1, 6))).max()
        assert path <= bound + 1e-12
        assert speed * (end - begin) <= bound + 1e-12


@pytest.mark.parametrize(("offset", "most"), [(0.3, 0.3 + 0.05 + 0.11), (-0.3, 0.3 + 0.05 + 0.11), (0.0, 0.05 + 0.11)])
def test_a_lever_beyond_a_slide_is_no_longer_than_half_its_stroke_makes_it(offset, most):
    """A ball of 5 cm beside the axis of a hinge, on a slide of 20 cm along it, with what a slide may overrun."""
    model = RobotModel.from_mjcf(
        """<mujoco><worldbody><body name="base"><body name="a"><joint name="j1" axis="0 0 1"/>
<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><body name="b"><joint name="j2" type="slide" axis="0 0 1" range="-0.1 0.1"/>
<inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><site name="tool"/></body></body></body></worldbody></mujoco>""",
        ["j1", "j2"], "tool", "base",
    )  # fmt: skip
    levers = pair_levers(model, (0, np.array([[5.0, 0.0, 0.0]]), 0.1), (2, np.array([[offset, 0.0, 0.0]]), 0.05))
    assert levers[1] == 1.0 and abs(offset) + 0.05 <= levers[0] <= most + 1e-9
