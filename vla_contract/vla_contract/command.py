"""The command under way, which files of figures keep, so that a reader can run it again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class CommandError(ValueError):
    """No stored command. The message says what was there instead."""


@dataclass(frozen=True)
class Command:
    """A command as it was given.

    Attributes:
        argv: Its words, from "vla" on.
        folder: Working folder that its relative paths start from.
    """

    argv: tuple[str, ...]
    folder: str

    @property
    def text(self) -> str:
        """As a line for a shell."""
        return shlex.join(self.argv)

    def to_json(self) -> dict:
        """Ready for JSON: argv, text, folder."""
        return {"argv": list(self.argv), "text": self.text, "folder": self.folder}

    @classmethod
    def from_json(cls, value: object) -> Command | None:
        """What `to_json` gave; None for null. Raises CommandError for anything else."""
        if value is None:
            return None
        argv = value.get("argv") if isinstance(value, dict) else None
        folder = value.get("folder") if isinstance(value, dict) else None
        if not (isinstance(argv, list) and argv and all(isinstance(w, str) for w in argv) and isinstance(folder, str)):
            raise CommandError(f"{str(value)[:60]!r}, allowed is null or a mapping with argv (words) and folder (text)")
        return cls(tuple(argv), folder)


_RUNNING: ContextVar[Command | None] = ContextVar("command", default=None)


@contextmanager
def running(argv: Sequence[str]) -> Iterator[Command]:
    """While a command runs: the `vla` command does this for its verbs."""
    command = Command(tuple(argv), os.getcwd())
    token = _RUNNING.set(command)
    try:
        yield command
    finally:
        _RUNNING.reset(token)


def this_command() -> Command | None:
    """The command under way; None in a program that is none."""
    return _RUNNING.get()


def command_json() -> dict | None:
    """`this_command`, ready for JSON: the value of "command" in a file of figures."""
    command = this_command()
    return None if command is None else command.to_json()
