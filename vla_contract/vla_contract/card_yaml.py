"""YAML that refuses what a card must not contain: the same key twice, and objects."""

from __future__ import annotations

import yaml


class DuplicateKeyError(ValueError):
    """A mapping that names a key twice, where the YAML parser would keep the second in silence."""


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
            raise DuplicateKeyError(f"line {line}: key {key!r} is not text")
        if key in first_lines:
            raise DuplicateKeyError(f"line {line}: key {key!r} given twice, first on line {first_lines[key]}")
        first_lines[key] = line
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(text: str) -> object:
    """Parses one document. Raises yaml.YAMLError, or DuplicateKeyError with the line."""
    return yaml.load(text, Loader=_Loader)
