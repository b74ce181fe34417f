"""YAML that refuses what a card must not contain: the same key twice, objects, and numbers that are not what they look like."""

from __future__ import annotations

import re

import yaml

from vla_contract.files.yaml_text import YamlError, parse_yaml

_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_LONGEST_NUMBER = 60


class DuplicateKeyError(YamlError):
    """A mapping that names a key twice, where the YAML parser would keep the second in silence."""


class AmbiguousNumberError(YamlError):
    """A number that YAML 1.1 reads as another one than people do: 016 is 14, 1:30 is 90."""


class _Loader(yaml.SafeLoader):
    pass


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict:
    first_lines: dict = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise DuplicateKeyError(f"line {line}: key {_shown(key)} is not text")
        if key in first_lines:
            raise DuplicateKeyError(f"line {line}: key {key!r} given twice, first on line {first_lines[key]}")
        first_lines[key] = line
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _shown(key: object) -> str:
    return repr(key)[:60]


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = _plain(loader, node)
    value = loader.construct_yaml_int(node)
    if _OCTAL.fullmatch(text) and value != 0:
        meant = text.replace("_", "").lstrip("+-0")
        raise AmbiguousNumberError(
            f"line {node.start_mark.line + 1}: {text} is octal for YAML, {value}; write {meant} for the number, or '{text}' in "
            "quotes for text"
        )
    return value


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    _plain(loader, node)
    return loader.construct_yaml_float(node)


def _plain(loader: _Loader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    if len(text) > _LONGEST_NUMBER:
        raise AmbiguousNumberError(f"line {node.start_mark.line + 1}: a number of {len(text)} digits")
    if _SIXTIES.fullmatch(text):
        raise AmbiguousNumberError(
            f"line {node.start_mark.line + 1}: {text} is a number to the base of 60 for YAML; write the number itself, or "
            f"'{text}' in quotes for text"
        )
    return text


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _real)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)  # a card has no dates: text


def read_yaml(text: str) -> object:
    """Parses one document. Raises YamlError; DuplicateKeyError and AmbiguousNumberError, which name the line, are such."""
    return parse_yaml(text, _Loader)
