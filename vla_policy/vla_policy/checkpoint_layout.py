"""What lies where in a checkpoint file, of this format and of the one before. JSON and names of tensors; no torch, no arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.printing import kind_of

FORMAT = "vla_policy checkpoint 2"
FORMAT_1 = "vla_policy_node checkpoint 1"
"""One embodiment, its parts in the metadata themselves; language model and codec were fixed."""
LANGUAGE_1 = "all-MiniLM-L6-v2"
CODEC_1 = "normalised"
IMAGES_1 = "pictures."
SIDE = 32
"""Of the small images that a checkpoint keeps [pixels]."""
IMAGES, CODECS = "images", "codecs"
"""First words of the names of tensors that are no weights: `images/POLICY_HASH/CAMERA`, `codecs/POLICY_HASH/NAME`."""


class LayoutError(ValueError):
    """The metadata of a file that is no checkpoint, or lacks a part. The message names it."""


def embodiments_of(metadata: Mapping[str, str]) -> list[dict]:
    """One dictionary for each embodiment, of whichever format; parts that are missing are missing in it, too.

    Keys: card_name, policy_hash, contract, horizon, state_normaliser, codec ({name, values}), state, action (columns and size in
    the model; absent: all of them).

    Raises LayoutError where the format is another one, or a part is no JSON.
    """
    found = metadata.get("format")
    if found == FORMAT:
        given = parsed(metadata, "embodiments")
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise LayoutError("embodiments is no list of objects")
        for number, one in enumerate(given):
            _check_parts(one, f"embodiments[{number}].")
        return given
    if found != FORMAT_1:
        raise LayoutError(f"format is {found or 'not given'!r}, this version reads {FORMAT!r} and {FORMAT_1!r}")
    one: dict = {key: metadata[key] for key in ("card_name", "policy_hash") if key in metadata}
    one |= {key: parsed(metadata, key) for key in ("contract", "state_normaliser") if key in metadata}
    if "action_codec" in metadata:
        one["codec"] = {"name": CODEC_1, "values": parsed(metadata, "action_codec")}
    if "model" in metadata:
        one["horizon"] = mapping(metadata, "model").get("horizon")
    _check_parts(one, "")
    return [one]


def one_embodiment(metadata: Mapping[str, str], policy_hash: str | None = None) -> dict[str, str]:
    """The parts of one embodiment as format 1 has them, with `codec_name`: what reads statistics and contract knows one layout.

    policy_hash: whose; where it is None, or nobody's, the first. Metadata of format 1 come back as they are.
    Raises LayoutError for a file of format 2 that is damaged.
    """
    if metadata.get("format") != FORMAT:
        for key in {"contract", "state_normaliser"} & metadata.keys():
            with suppress(JsonError):  # told where it is read
                _check_parts({key: parse_json(metadata[key])}, "")
        return dict(metadata)
    found = embodiments_of(metadata)
    if not found:
        raise LayoutError("embodiments is empty")
    one = next((one for one in found if one.get("policy_hash") == policy_hash), found[0])
    flat = {key: metadata[key] for key in ("format", "image_size", "training") if key in metadata}
    flat |= {key: one[key] for key in ("card_name", "policy_hash") if key in one}
    flat |= {key: json.dumps(one[key]) for key in ("contract", "state_normaliser") if key in one}
    flat["model"] = json.dumps(mapping(metadata, "model") | {"horizon": one.get("horizon")})
    if "codec" in one:
        flat |= {"codec_name": one["codec"].get("name") or "", "action_codec": json.dumps(one["codec"].get("values"))}
    return flat


_KINDS = {
    "contract": (dict, "a mapping"), "state_normaliser": (dict, "a mapping"), "codec": (dict, "a mapping"),
    "state": (dict, "a mapping"), "action": (dict, "a mapping"), "card_name": (str, "text"), "policy_hash": (str, "text"),
    "horizon": (int, "a whole number"),
}  # fmt: skip


def _check_parts(one: dict, where: str) -> None:
    """What is there must be of its kind: a contract of null is none. What is missing is for whoever needs it to say."""
    for key, (kind, words) in _KINDS.items():
        value = one.get(key)
        if key in one and (not isinstance(value, kind) or isinstance(value, bool)):
            raise LayoutError(f"{where}{key} is {kind_of(value)}, {words} is needed")
    name = one["codec"].get("name") if "codec" in one else ""
    if name is not None and not isinstance(name, str):
        raise LayoutError(f"{where}codec.name is {kind_of(name)}, text is needed")


def mapping(metadata: Mapping[str, str], key: str) -> dict:
    """As ``parsed``, of a part that must be a mapping."""
    value = parsed(metadata, key)
    if not isinstance(value, dict):
        raise LayoutError(f"{key} is {kind_of(value)}, a mapping is needed")
    return value


def parsed(metadata: Mapping[str, str], key: str) -> object:
    """A part that is JSON. Raises LayoutError where it is missing or no JSON."""
    if key not in metadata:
        raise LayoutError(f"{key} is missing from the metadata")
    try:
        return parse_json(metadata[key])
    except JsonError as error:
        raise LayoutError(f"{key} is no JSON ({error})") from None


def tensor_name(kind: str, policy_hash: str, name: str) -> str:
    """Of an embodiment's images or its codec's arrays."""
    return f"{kind}/{policy_hash}/{name}"


def place_of(name: str, policy_hash: str) -> tuple[str, str, str] | None:
    """(kind, policy_hash, name) of a tensor that is no weight; None for a weight. policy_hash: whose those of format 1 are."""
    if name.startswith(IMAGES_1):
        return IMAGES, policy_hash, name.removeprefix(IMAGES_1)
    kind, slash, rest = name.partition("/")
    if not slash or kind not in (IMAGES, CODECS):
        return None
    owner, _, own = rest.partition("/")
    return kind, owner, own
