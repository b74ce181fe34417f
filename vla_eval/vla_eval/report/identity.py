"""Who ran: card, policy, checkpoint and hashes, as the files say; where they disagree, that is said."""

from __future__ import annotations

from vla_eval.report.folder import RunFolder
from vla_eval.report.words import REAL_TIME_NS, moment

FIELDS = ("card_name", "card_hash", "policy", "head", "action_space", "checkpoint", "checkpoint_hash", "policy_hash")
WORDS = {
    "card_name": "Card", "card_hash": "Card hash", "policy": "Policy", "head": "Action head", "action_space": "Action space",
    "checkpoint": "Checkpoint", "checkpoint_hash": "Checkpoint hash", "policy_hash": "Policy hash",
}  # fmt: skip


def identity_section(run: RunFolder, metadata: dict[str, str]) -> dict:
    """Lines of the header, and notes on files that contradict each other.

    Args:
        metadata: Of the bag; empty: no bag.
    """
    said: dict[str, dict[str, list[str]]] = {name: {} for name in FIELDS}

    def hear(name: str, value: str, file: str) -> None:
        if value:
            files = said[name].setdefault(value, [])
            if file not in files:
                files.append(file)

    for row in run.episodes:
        for name in FIELDS:
            hear(name, getattr(row, name), run.episodes_from)
    for name in FIELDS:
        hear(name, metadata.get(name, ""), "bag")
    for file, paths in (
        ("preflight.json", {"card_name": ("card",), "card_hash": ("card_hash",), "policy_hash": ("policy_hash",)}),
        ("ledger.json", {"card_name": ("card", "name"), "card_hash": ("card", "card_hash")}),
        ("replay.json", {"card_name": ("card",), "card_hash": ("card_hash",)}),
    ):
        for name, path in paths.items():
            if file in run.json:
                hear(name, run.json[file].text(*path), file)
    notes = [
        f"the files disagree on {WORDS[name].lower()}: "
        + "; ".join(f"{value} in {', '.join(files)}" for value, files in told.items())
        for name, told in said.items()
        if len({file for files in told.values() for file in files}) > 1 and len(told) > 1
    ]
    lines = [(WORDS[name], ", ".join(told)) for name, told in said.items() if told]
    return {"lines": lines, "notes": notes, "when": _when(run), "machine": _machine(run),
            **{name: next(iter(told), "") for name, told in said.items()}}  # fmt: skip


def _when(run: RunFolder) -> str:
    stamps = [row.start_ns for row in run.episodes if row.start_ns], [row.end_ns for row in run.episodes if row.end_ns]
    if not all(stamps):
        return ""
    begin, end = min(stamps[0]), max(stamps[1])
    if begin < REAL_TIME_NS:
        return "simulated time"
    return f"{moment(begin)} to {moment(end)}"


def _machine(run: RunFolder) -> str:
    for content in run.json.values():
        machine = content.get("machine")
        if isinstance(machine, dict):
            words = [str(machine[key]) for key in ("processor", "system") if machine.get(key)]
            return ", ".join([*words, *([f"{machine['cores']} cores"] if machine.get("cores") else [])])
        if isinstance(machine, str):
            return machine
    return ""
