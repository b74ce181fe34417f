"""Shapes drawn of the planned motion, and the messages made of them."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card, straight

from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_controller.books.markers import MotionShapes, ShapeKind, box_edges

PATH = np.array([[0.4, 0.0, 0.3], [0.5, 0.0, 0.3], [0.5, 0.1, 0.3]])


def report(clamps=(), phase=Phase.SCHEDULED, verdict=Verdict.ACCEPTED, steps=4):
    return ChunkReport(
        stamp_ns=0, phase=phase, run_id="", sequence=0, chunk_stamp_ns=0, verdict=verdict,
        names=("x",), planned_actions=np.zeros((steps, 1)), step_stamps_ns=np.arange(steps) * 100 * MS, clamps=clamps,
    )  # fmt: skip


def tool_at(t_ns, arm):
    return np.array([t_ns / (1000 * MS), float(arm), 0.5])


def drawn(image, paths=(PATH,)):
    return {(shape.namespace, shape.id): shape for shape in image.shapes(list(paths))}


def test_a_box_has_twelve_edges_along_the_axes():
    edges = box_edges([0.25, -0.4, 0.0], [0.75, 0.4, 0.6]).reshape(12, 2, 3)
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    assert sorted(lengths.round(9).tolist()) == [0.5] * 4 + [0.6] * 4 + [0.8] * 4
    assert all(np.count_nonzero(a != b) == 1 for a, b in edges)
    np.testing.assert_array_equal(edges.reshape(-1, 3).min(axis=0), [0.25, -0.4, 0.0])


def test_path_and_box_are_in_the_base_frame():
    shapes = drawn(MotionShapes(make_card()))
    assert set(shapes) == {("path", 0), ("workspace", 0)}
    assert {shape.frame for shape in shapes.values()} == {"panda_link0"}
    np.testing.assert_array_equal(shapes["path", 0].points, PATH)


@pytest.mark.parametrize("path", [PATH[:1], PATH[:0]])
def test_a_standing_arm_has_no_path(path):
    assert ("path", 0) not in drawn(MotionShapes(make_card()), [path])


def test_the_path_of_the_tool_ends_where_the_motion_does_and_is_empty_before_the_first_command():
    rig = Rig()
    assert rig.controller.tool_path(rig.now).shape == (0, 3)
    rig.send(straight((0.05, 0.02, 0.0)))
    path = rig.controller.tool_path(rig.now)
    assert len(path) > 10
    np.testing.assert_allclose(path[0], rig.model.forward(HOME)[:3, 3], atol=1e-9)
    rig.run(4000)
    np.testing.assert_allclose(path[-1], rig.tool()[:3, 3], atol=1e-9)
    assert np.linalg.norm(path[-1] - path[0]) > 0.08
    assert rig.controller.tool_path(rig.now).shape == (1, 3)


def test_clamped_steps_are_marked_where_the_tool_will_be_and_why():
    image = MotionShapes(make_card())
    clamps = (
        Clamp(1, "workspace z", 0.1),
        Clamp(1, "tool_speed", 0.2),
        Clamp(1, "tool_speed", 0.1),
        Clamp(3, "reach", 1.0),
    )
    image.on_report(report(clamps), tool_at)
    shapes = drawn(image)
    dot, text = shapes["clamped", 0], shapes["why", 0]
    assert (dot.kind, text.kind) == (ShapeKind.SPHERE, ShapeKind.TEXT)
    np.testing.assert_allclose(dot.points, [[0.1, 0.0, 0.5]])
    assert text.text == "1: workspace z, tool_speed"
    np.testing.assert_array_equal(text.points[0, :2], dot.points[0, :2])
    assert 0.5 + dot.size / 2 < text.points[0, 2] < 0.55, "close above it"
    assert shapes["why", 1].text == "3: reach"


def test_the_next_plan_replaces_the_marks_and_other_reports_do_not():
    image = MotionShapes(make_card())
    image.on_report(report((Clamp(0, "reach", 1.0),)), tool_at)
    image.on_report(report(phase=Phase.CLOSED), tool_at)
    image.on_report(report(verdict=Verdict.NOT_FINITE), tool_at)
    assert ("clamped", 0) in drawn(image)
    image.on_report(report(), tool_at)
    assert ("clamped", 0) not in drawn(image)


def test_of_two_arms_the_one_whose_joint_was_clamped_is_marked():
    card = make_card("JOINT_POSITION", arms=[arm_section("left", "left"), arm_section("right", "right")])
    image = MotionShapes(card)
    image.on_report(report((Clamp(1, "velocity right_joint3", 0.1), Clamp(2, "open_loop", 0.1))), tool_at)
    frames = {shape.text: [] for shape in drawn(image, [PATH, PATH]).values() if shape.text}
    for shape in drawn(image, [PATH, PATH]).values():
        if shape.text:
            frames[shape.text].append(shape.frame)
    assert frames == {"1: velocity right_joint3": ["right_link0"], "2: open_loop": ["left_link0", "right_link0"]}


def test_nothing_commanded_yet_marks_nothing():
    image = MotionShapes(make_card())
    image.on_report(report((Clamp(1, "reach", 1.0),)), lambda t_ns, arm: None)
    assert ("clamped", 0) not in drawn(image)


def test_messages_carry_frames_points_and_a_lifetime():
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from visualization_msgs.msg import Marker

    from vla_controller.ros.messages import markers_to_msg

    image = MotionShapes(make_card())
    image.on_report(report((Clamp(1, "workspace z", 0.1),)), tool_at)
    markers = {m.ns: m for m in markers_to_msg(image.shapes([PATH]), 7_000_000_001).markers}
    types = {name: m.type for name, m in markers.items()}
    assert types == {
        "path": Marker.LINE_STRIP, "workspace": Marker.LINE_LIST, "clamped": Marker.SPHERE,
        "why": Marker.TEXT_VIEW_FACING,
    }  # fmt: skip
    for marker in markers.values():
        assert marker.header.frame_id == "panda_link0" and marker.header.stamp.nanosec == 1
        assert marker.color.a > 0 and marker.lifetime.nanosec > 100_000_000 and marker.pose.orientation.w == 1.0
    assert len(markers["workspace"].points) == 24 and [p.x for p in markers["path"].points] == [0.4, 0.5, 0.5]
    assert markers["clamped"].pose.position.z == 0.5 and markers["why"].text == "1: workspace z"
