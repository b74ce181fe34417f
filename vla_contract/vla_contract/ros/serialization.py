"""Messages as bytes (CDR), for those that read and write bags without a node."""

from rclpy.serialization import deserialize_message, serialize_message

__all__ = ["deserialize_message", "serialize_message"]
