"""Command-line arguments that several verbs take, and how a mistake in one is told."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import NoReturn

from vla_contract.printing import printable


class ArgumentMistake(ValueError):
    """Words that are no call of a verb. The message names the argument, what is allowed, and where to read more."""


class Parser(argparse.ArgumentParser):
    """Raises what argparse would write to the terminal behind all options of the verb, and end the program."""

    def error(self, message: str) -> NoReturn:
        """Raises ArgumentMistake."""
        told = re.sub(r"^argument ([^:]*): (is|has) ", r"\1 \2 ", message).removeprefix("argument ")
        raise ArgumentMistake(printable(f"{told}; see {self.prog} --help"))


def words(text: str) -> str:
    """Words that go into messages and files. An argument's bytes need not be text; a file's name need not be, either."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        byte = ord(text[error.start]) & 0xFF
        raise argparse.ArgumentTypeError(f"byte {error.start + 1} is 0x{byte:02x}, which is no text in UTF-8") from None
    return text


def text_up_to(most: int) -> Callable[[str], str]:
    """Type of an argument that is text of so many characters at most."""

    def parse(text: str) -> str:
        if len(text) > most:
            raise argparse.ArgumentTypeError(f"has {len(text)} characters, allowed are up to {most}")
        return words(text)

    return parse


def instruction(text: str) -> str:
    """Type of an argument that is an instruction: text that is neither empty nor too long."""
    from vla_contract.instructions import instruction_problem

    problem = instruction_problem(words(text))
    if problem:
        raise argparse.ArgumentTypeError(problem)
    return text


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Type of an argument that is a whole number from `least` to `most`."""
    return lambda text: _bounded(text, int, "no whole number", least, most, above=False)


def number(least: float, most: float | None = None, *, above: bool = False, unit: str = "") -> Callable[[str], float]:
    """Type of an argument that is a finite number from `least` to `most`. above: `least` itself is not allowed."""
    return lambda text: _bounded(text, float, "no number", least, most, above=above, unit=unit)


def _bounded(text: str, kind: type, none: str, least: float, most: float | None, *, above: bool, unit: str = ""):
    top = math.inf if most is None else most
    low = f"above {least}" if above else f"{least}"
    allowed = f"{low}{', up' if above else ''} to {most}" if most is not None else low if above else f"{low} or more"
    allowed = f"allowed is {allowed}{f' [{unit}]' if unit else ''}"
    try:
        value = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is {text!r}, {none}; {allowed}") from None
    if not (least < value if above else least <= value) or not value <= top or value == math.inf:
        raise argparse.ArgumentTypeError(f"is {text}, {allowed}")
    return value
