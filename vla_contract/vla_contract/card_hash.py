"""The two fingerprints of a card, and what tells two contracts apart.

Both are over parsed content, as canonical JSON: the order of keys, comments, and how a number is written make no difference.
Defaults count as if they had been written.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from vla_contract.card_content import CardContent
from vla_contract.card_sections import CameraCard

ROTATION = "rotation vector, multiplied from the left in the base frame"
HASH_DIGITS = 16


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spaces. Raises ValueError for numbers that are not finite."""
    return json.dumps(_plain(content), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    if isinstance(content, float) and content.is_integer() and abs(content) < 2**53:
        return int(content)  # 1, 1.0 and -0.0 are one number written in three ways
    return content


def fingerprint(content: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:HASH_DIGITS]


def policy_contract(card: CardContent) -> dict:
    """What a model depends on, and no more.

    In: cameras (name, size, encoding and, where given, what is seen of them, in order), state fields in order, action space,
    names and period, gripper polarity, rotation convention, frames. Out: topics, rates, ages, limits, wording, and the horizon,
    because a model may plan fewer or more steps than a cell lets it execute; whoever loads a checkpoint compares its chunk size
    with the card.
    """
    return {
        "cameras": [_camera(camera) for camera in card.cameras],
        "state": {"fields": list(card.state.fields)},
        "action": {
            "space": card.action.space,
            "names": list(card.action.names),
            "step_period": card.action.step_period,
            "rotation": ROTATION,
        },
        "arms": [
            {
                "name": arm.name,
                "base_frame": arm.base_frame,
                "tool_frame": arm.tool_frame,
                "gripper": arm.gripper and {"open_value": arm.gripper.open_value, "closed_value": arm.gripper.closed_value},
            }
            for arm in card.arms
        ],
    }


def _camera(camera: CameraCard) -> dict:
    given = {"name": camera.name, "width": camera.width, "height": camera.height, "encoding": camera.encoding}
    for key in ("crop", "resize", "depth"):  # a camera without them keeps its hash
        section = getattr(camera, key)
        if section is not None:
            given[key] = section.model_dump(mode="json")
    return given


def contract_differences(given: Any, expected: Any, path: str = "") -> list[str]:
    """One line for each field in which two contracts disagree: ``cameras[0].width: 96, the card has 224``."""
    if isinstance(given, dict) and isinstance(expected, dict):
        lines = []
        for key in sorted(given.keys() | expected.keys()):
            where = f"{path}.{key}".lstrip(".")
            lines += contract_differences(given.get(key), expected.get(key), where)
        return lines
    if isinstance(given, list) and isinstance(expected, list) and len(given) == len(expected):
        lines = []
        for index, pair in enumerate(zip(given, expected)):
            lines += contract_differences(*pair, f"{path}[{index}]")
        return lines
    if _plain(given) == _plain(expected):
        return []
    return [f"{path}: {_seen(given)}, the card has {_seen(expected)}"]


def _seen(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)
