"""The error of robot descriptions."""

from __future__ import annotations


class ModelError(ValueError):
    """A robot description that cannot be read, or lacks what was asked for."""
