"""Shapes and health to the messages that RViz, Foxglove and diagnostic aggregators read."""

from __future__ import annotations

from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from vla_contract.ros.stamps import ns_to_duration, ns_to_stamp
from vla_controller.books.diagnostics import Health
from vla_controller.books.markers import Shape, ShapeKind

LIFETIME_NS = 500_000_000
"""A marker that is not published again vanishes after this long [ns]."""

_TYPES = {
    ShapeKind.LINE_STRIP: Marker.LINE_STRIP,
    ShapeKind.LINE_LIST: Marker.LINE_LIST,
    ShapeKind.SPHERE: Marker.SPHERE,
    ShapeKind.TEXT: Marker.TEXT_VIEW_FACING,
}
_LINES = (ShapeKind.LINE_STRIP, ShapeKind.LINE_LIST)


def markers_to_msg(shapes: Iterable[Shape], stamp_ns: int) -> MarkerArray:
    """One marker for each shape, with its pose in the shape's frame."""
    return MarkerArray(markers=[_marker(shape, stamp_ns) for shape in shapes])


def _marker(shape: Shape, stamp_ns: int) -> Marker:
    marker = Marker(ns=shape.namespace, id=shape.id, type=_TYPES[shape.kind], action=Marker.ADD, text=shape.text)
    marker.header.frame_id = shape.frame
    marker.header.stamp = ns_to_stamp(stamp_ns)
    marker.lifetime = ns_to_duration(LIFETIME_NS)
    marker.color = ColorRGBA(**dict(zip("rgba", shape.color, strict=True)))
    marker.pose.orientation.w = 1.0
    points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in shape.points]
    if shape.kind in _LINES:
        marker.points, marker.scale.x = points, shape.size
    else:
        marker.pose.position = points[0]
        marker.scale.x = marker.scale.y = marker.scale.z = shape.size
    return marker


def health_to_msg(health: Health, node: str, card: str, stamp_ns: int, about: str = "motion") -> DiagnosticArray:
    """One status, ``<node>: <about>``. node: its fully qualified name. card: name of the card, as the hardware."""
    status = DiagnosticStatus(
        level=bytes([health.level]),
        name=f"{node}: {about}",
        message=health.message,
        hardware_id=card,
        values=[KeyValue(key=key, value=value) for key, value in health.values.items()],
    )
    message = DiagnosticArray(status=[status])
    message.header.stamp = ns_to_stamp(stamp_ns)
    return message
