"""Errors of the launch runner."""

from __future__ import annotations

from pathlib import Path


class LaunchError(ValueError):
    """A launch file or its arguments cannot be used. The text names the file and line, and what is allowed."""

    @classmethod
    def at(cls, path: Path, line: int, message: str) -> LaunchError:
        """An error at a line of a launch file."""
        return cls(f"{path}:{line}: {message}")
