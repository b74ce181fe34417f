"""Which of our Fast DDS profiles a process uses."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
"""Environment variable that Fast DDS reads where the process makes its first participant."""
NODES, COMMANDS = "fastdds.xml", "fastdds_command.xml"


def use_udp_alone(environment: MutableMapping[str, str]) -> None:
    """Takes the profile of commands in place of ours for nodes; a profile of the user's own stays.

    For processes that live for a second and carry no images: they open no shared memory, which a killed node may have left in
    a state that crashes them.
    """
    profile = Path(environment.get(PROFILES, ""))
    instead = profile.with_name(COMMANDS) if profile.name == NODES else None
    if instead is not None and instead.is_file():
        environment[PROFILES] = str(instead)
