"""A hostile case: files that a stranger made, and the verb that meets them."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Build = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """Attributes:
    name: "card: a named pipe"; what is before the colon is the group.
    argv: Words after `vla`, with paths from the case's folder.
    build: Makes the files in the case's folder.
    representative: Part of what the tests run.
    codes: Exit codes that are right: 0 where it is harmless, 1 for findings, 2 for an error in a line.
    """

    name: str
    argv: Sequence[str]
    build: Build
    representative: bool = False
    codes: tuple[int, ...] = (1, 2)

    @property
    def group(self) -> str:
        return self.name.partition(":")[0]


# What a file can be instead of a file. Each makes `path`.


def fifo(path: Path) -> None:
    """A named pipe that nobody writes to."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    """A link to a device that never ends."""
    path.symlink_to("/dev/zero")


def sock(path: Path) -> None:
    """A socket."""
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def hole(path: Path, size: int = 1 << 40, head: bytes = b"") -> None:
    """A file of a terabyte that takes nothing on the disk."""
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)


def folder(path: Path) -> None:
    """A folder with the name of a file."""
    path.mkdir()


def dangling(path: Path) -> None:
    """A link to nothing."""
    path.symlink_to("nothing_there")


def binary(path: Path) -> None:
    """Bytes of no kind."""
    path.write_bytes(bytes(range(256)) * 64)


def empty(path: Path) -> None:
    """Nothing."""
    path.write_bytes(b"")


def noise(size: int) -> bytes:
    """Bytes of no meaning, always the same."""
    return random.Random(7).randbytes(size)


def victim(path: Path) -> None:
    """A link to a file of the user, two folders up: what is written to it is lost."""
    path.symlink_to(path.parent.resolve() / os.path.relpath(_victim_of(path), path.parent.resolve()))


def victim_folder(path: Path) -> None:
    """A link to a folder of the user."""
    path.symlink_to(_victim_of(path).parent)


def _victim_of(path: Path) -> Path:
    return next(up for up in path.resolve().parents if (up / "victim").is_dir()) / "victim" / "bashrc"


KINDS: dict[str, Build] = {
    "a named pipe": fifo,
    "a device without end": endless,
    "a socket": sock,
    "a hole of a terabyte": hole,
    "a folder": folder,
    "a link to nothing": dangling,
    "bytes of no kind": binary,
    "nothing": empty,
}

TEXTS = {
    "escapes": "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "one-byte escapes": "\x9b31mred\x9c",
    "directional marks": "\u202egnp.exe\u2066x\u200f",
    "a carriage return": "ok\rforged: 100 %",
    "a forged line": "x\nepisode 2: SUCCESS\n",
    "a script": "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>",
    "an attribute": '" onmouseover="alert(1)" x=\'',
    "a template": "{{ 7 * 7 }}{% for x in range(10**9) %}x{% endfor %}",
    "half of a pair": "\ud800",
    "markup of rich": "[red]x[/red][link=file:///etc/passwd]y[/link][/]",
    "a hundred thousand letters": "A" * 100_000,
    "invisible letters": "a\u200bb\u2060c\ufeffd\U000e0041",
    "a null": "a\x00b",
    "formats": "%s%n{0.__class__}${HOME}$(touch pwned)",
}
"""What a stranger can put where a text belongs."""
