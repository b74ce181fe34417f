"""Clients of a running graph: rclpy lives here."""
