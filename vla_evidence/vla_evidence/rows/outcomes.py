"""Outcomes that an operator gives, kept beside the rows: labels.jsonl of a run folder, which only grows.

The last line about a run counts. Rows stay as they were made; `load_episodes` lays the operator's word over them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from vla_contract.command import Command, CommandError
from vla_contract.evidence import EvidenceWriter, read_rows
from vla_contract.printing import printable
from vla_evidence.rows.row_files import read_episodes
from vla_evidence.rows.rows import LABELS, OUTCOMES, EpisodeRow

LABELS_FILE = "labels.jsonl"
EPISODES_FILE = "episodes.jsonl"
WITHDRAWN = "WITHDRAWN"
"""Said of a run instead of an outcome: what the operator had said of it counts no more, the rows' own outcome does again."""
LONGEST = {"note": 2_000, "by": 200}
"""Characters of what is said in free words, at most: a line keeps them with the command that said them."""
SHORTEST_ID = 4
"""Digits of a run id that are enough to name it."""


class OutcomeError(ValueError):
    """An outcome that cannot be given. The message names the run, or the file and line, and what there is."""


@dataclass(frozen=True)
class OperatorOutcome:
    """What an operator said of a run.

    Attributes:
        outcome: One of `OUTCOMES`, or `WITHDRAWN`.
        stamp_ns: When it was said, wall clock [ns].
        label: Why it failed; empty: as the rows have it.
        command: `vla label` as it was given; None: another program said so, or an older one.
    """

    run_id: str
    outcome: str
    label: str = ""
    note: str = ""
    by: str = ""
    stamp_ns: int = 0
    command: Command | None = None


def append_outcome(folder: str | Path, said: OperatorOutcome) -> None:
    """Adds a line to the folder's labels.jsonl; its stamp is now, where it has none.

    Raises:
        OutcomeError: Outcome or label are none, a label beside an outcome that is not FAILURE, or words that are too long.
    """
    _check(said)
    for name, most in LONGEST.items():
        if len(getattr(said, name)) > most:
            raise OutcomeError(f"{name} has {len(getattr(said, name))} characters, allowed are up to {most}")
    with EvidenceWriter(Path(folder) / LABELS_FILE) as writer:
        command = None if said.command is None else said.command.to_json()
        writer.write({**vars(said), "stamp_ns": said.stamp_ns or time.time_ns(), "command": command})


def read_outcomes(folder: str | Path) -> list[OperatorOutcome]:
    """All lines in order, none where the file is absent.

    Raises:
        OutcomeError, EvidenceError: A line is no outcome; names the file and the line.
    """
    path = Path(folder) / LABELS_FILE
    if not path.exists():
        return []
    out = []
    for number, row in enumerate(read_rows(path), 1):
        try:
            _check_fields(row)
            said = OperatorOutcome(**{**row, "command": Command.from_json(row.get("command"))})
            _check(said)
        except (OutcomeError, CommandError) as error:
            raise OutcomeError(f"{path}: line {number}: {error}") from None
        out.append(said)
    return out


def apply_outcomes(episodes: list[EpisodeRow], said: list[OperatorOutcome]) -> list[EpisodeRow]:
    """Episodes with the operator's last word on each, source OPERATOR. Others as they are.

    A run said to be a success, or unknown, has no label and no first bad action. From pushes it has recovered where it is said
    to be a success, and only there.
    """
    last = {one.run_id: one for one in said}
    out = []
    for episode in episodes:
        word = last.get(episode.run_id)
        if word is not None and word.outcome != WITHDRAWN:
            changes = {"outcome": word.outcome, "outcome_source": "OPERATOR"}
            changes |= {"recovered": episode.pushes if word.outcome == "SUCCESS" else 0}
            if word.outcome != "FAILURE":
                changes |= {"label": "", "first_bad_sequence": None, "first_bad_stamp_ns": None}
            elif word.label and word.label != episode.label:
                # The first bad moment was that of the other label.
                changes |= {"label": word.label, "first_bad_sequence": None, "first_bad_stamp_ns": None}
            episode = replace(episode, **changes)
        out.append(episode)
    return out


def load_episodes(folder: str | Path) -> list[EpisodeRow]:
    """Episodes of a run folder with the operator's outcomes.

    Raises:
        OutcomeError: The folder has no episodes.jsonl. FileError: It is no file.
        RowError, EvidenceError: A line is broken.
    """
    path = Path(folder) / EPISODES_FILE
    if not path.exists():
        raise OutcomeError(f"{folder}: no {EPISODES_FILE} there; `vla evidence BAG --out {folder}` writes it")
    return apply_outcomes(read_episodes(path), read_outcomes(folder))


def find_run(episodes: list[EpisodeRow], which: str) -> EpisodeRow:
    """By episode number, by run id, or by the first digits of one.

    Raises:
        OutcomeError: None, or several; names those that exist.
    """
    found = [e for e in episodes if which.isdecimal() and e.episode == int(which)]
    if not found and len(which) >= SHORTEST_ID:
        wanted = which.lower().replace("-", "")
        found = [e for e in episodes if e.run_id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{e.episode} ({printable(e.run_id[:8])})" for e in found or episodes) or "none"
    raise OutcomeError(f"run '{printable(which)}': {'several' if found else 'none'} by this name; there are: {there}")


def withdrawable(said: list[OperatorOutcome], run_id: str) -> str:
    """Why there is nothing to withdraw of what was said of a run; empty: there is."""
    words = [one.outcome for one in said if one.run_id == run_id]
    if not words:
        return "nothing was said of it that could be withdrawn"
    return "what was said of it is withdrawn already" if words[-1] == WITHDRAWN else ""


def _check_fields(row: dict) -> None:
    kinds = {"run_id": str, "outcome": str, "label": str, "note": str, "by": str, "stamp_ns": int}
    unknown = sorted(printable(str(name)) for name in row.keys() - kinds.keys() - {"command"})
    if unknown:
        raise OutcomeError(f"field {', '.join(unknown)} is unknown, there are {', '.join((*kinds, 'command'))}")
    for name in ("run_id", "outcome"):
        if name not in row:
            raise OutcomeError(f"no {name} in it")
    for name in row.keys() & kinds.keys():
        if not isinstance(row[name], kinds[name]) or isinstance(row[name], bool):
            raise OutcomeError(f"{name} is {row[name]!r}, which is no {'number' if kinds[name] is int else 'text'}")


def _check(said: OperatorOutcome) -> None:
    if said.outcome not in (*OUTCOMES, WITHDRAWN):
        raise OutcomeError(f"outcome '{printable(said.outcome)}', allowed are {', '.join((*OUTCOMES, WITHDRAWN))}")
    if said.label not in LABELS:
        raise OutcomeError(f"label '{printable(said.label)}', allowed are {', '.join(filter(None, LABELS))}")
    if said.outcome == WITHDRAWN and (said.label or said.note):
        raise OutcomeError("what was said is withdrawn: no label or note goes with that")
    if said.label and said.outcome != "FAILURE":
        raise OutcomeError(f"label {said.label} says why a run failed, and the outcome given is {said.outcome}")
