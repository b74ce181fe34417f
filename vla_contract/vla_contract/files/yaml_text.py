"""YAML of others, looked through before anything is made of it: a few lines of aliases stand for gigabytes."""

from __future__ import annotations

import yaml

from vla_contract.files.errors import FileError

DEPTH = 32
"""Lists and mappings inside each other; cards have up to 5, metadata of bags 6."""
NODES = 200_000
"""Values, those that aliases repeat counted each time."""
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LOADER = _PARSER


class YamlError(FileError):
    """Text that is no YAML, or too much of it. The message says what is wrong, and not where: whoever reads adds that."""


def check_yaml(text: str) -> None:
    """Raises YamlError for text that is nested too deeply, stands for too many values, or contains itself."""
    sizes: dict[str, int] = {}
    begun: list[tuple[str | None, int]] = []
    count = 0
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            if isinstance(event, yaml.AliasEvent):
                if any(anchor == event.anchor for anchor, _ in begun):
                    raise YamlError(f"line {event.start_mark.line + 1}: *{event.anchor} contains itself")
                count += sizes.get(event.anchor, 1)
            elif isinstance(event, yaml.CollectionStartEvent):
                begun.append((event.anchor, count))
                if len(begun) > DEPTH:
                    raise YamlError(f"line {event.start_mark.line + 1}: nested more than {DEPTH} deep")
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = begun.pop()
                if anchor is not None:
                    sizes[anchor] = count - before
            elif isinstance(event, yaml.ScalarEvent):
                count += 1
                if event.anchor is not None:
                    sizes[event.anchor] = 1
            if count > NODES:
                raise YamlError(f"line {event.start_mark.line + 1}: more than {NODES} values, those of aliases counted")
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(f"not YAML: {' '.join(str(error).split())}") from None


def parse_yaml(text: str, loader: type | None = None) -> object:
    """One document.

    Args:
        loader: Of yaml, a safe one; by default the plain one.

    Raises:
        YamlError: See ``check_yaml``; or what a value is written as it cannot be, such as a date that is none. Errors of
            ``loader`` that are not of yaml come through.
    """
    check_yaml(text)
    try:
        return yaml.load(text, Loader=loader or _LOADER)
    except YamlError:
        raise
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if type(error).__module__.startswith("vla_"):
            raise
        # of a scalar with a tag that it does not fit: !!bool maybe, 2024-13-45
        raise YamlError(f"not YAML: a value cannot be read ({type(error).__name__}: {error})") from None
