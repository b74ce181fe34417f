"""What a launch file asks for, once its arguments are known: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Argument:
    """An `<arg>` of a launch file."""

    name: str
    description: str
    default: str | None
    """Text with its substitutions not yet expanded; None: must be given."""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProcessSpec:
    """A process to run."""

    name: str
    """For the prefix of its output and for messages."""
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    """Set in addition to the launcher's own."""
    required: bool = False
    """When it ends, everything ends (`on_exit="shutdown"`)."""
    respawn: bool = False
    respawn_delay: float = 0.0
    """[s]"""
    cwd: str | None = None


@dataclass(frozen=True)
class LaunchPlan:
    """What a launch file comes to."""

    processes: tuple[ProcessSpec, ...]
    """In the order of the file."""
    messages: tuple[str, ...] = ()
    """Lines that `<log>` prints."""
    variables: dict[str, str] = field(default_factory=dict)
    """Values of the launch arguments, defaults included."""
