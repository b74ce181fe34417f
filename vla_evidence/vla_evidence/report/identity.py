"""Who ran: card, policy, checkpoint and hashes, as the files say; where they disagree, that is said."""

from __future__ import annotations

from vla_evidence.report.folder import RunFolder
from vla_evidence.report.words import REAL_TIME_NS, moment

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
    if run.preflight:
        found = run.preflight
        for name, value in (("card_name", found.card), ("card_hash", found.card_hash), ("policy_hash", found.policy_hash)):
            hear(name, value, "preflight.json")
    if run.ledger and run.ledger.card:
        hear("card_name", run.ledger.card.name, "ledger.json")
        hear("card_hash", run.ledger.card.card_hash, "ledger.json")
    if run.replay:
        hear("card_name", run.replay.card, "replay.json")
        hear("card_hash", run.replay.card_hash, "replay.json")
    notes = [
        f"the files disagree on {WORDS[name].lower()}: "
        + "; ".join(f"{value} in {', '.join(files)}" for value, files in files_of.items())
        for name, files_of in said.items()
        if len({file for files in files_of.values() for file in files}) > 1 and len(files_of) > 1
    ]
    lines = [(WORDS[name], ", ".join(files_of)) for name, files_of in said.items() if files_of]
    return {"lines": lines, "notes": notes, "when": _when(run),
            **{name: next(iter(files_of), "") for name, files_of in said.items()}}  # fmt: skip


def _when(run: RunFolder) -> str:
    stamps = [row.start_ns for row in run.episodes if row.start_ns], [row.end_ns for row in run.episodes if row.end_ns]
    if not all(stamps):
        return ""
    begin, end = min(stamps[0]), max(stamps[1])
    if begin < REAL_TIME_NS:
        return "simulated time"
    return f"{moment(begin)} to {moment(end)}"
