"""A finished ledger. Its schema is said in ledger.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vla_evidence.ledger.section import Line, RunLines, summarise

SCHEMA = 1


@dataclass(frozen=True)
class Ledger:
    """Lines of every run, and the cadence of every stream."""

    runs: tuple[RunLines, ...]
    cadence: dict[str, dict] = field(default_factory=dict)
    card: dict[str, str] | None = None
    source: str = ""
    seconds: float = 0.0
    unreadable: dict[str, int] = field(default_factory=dict)
    """Topic -> messages whose stamps could not be read."""
    notes: tuple[str, ...] = ()
    cut_short: bool = False
    """The recording has no end: its figures are of what was written until then."""

    def lines(self) -> Iterator[Line]:
        """Every chunk, run by run."""
        for run in self.runs:
            yield from run.lines

    def as_dict(self) -> dict:
        """Content of ledger.json."""
        overall = summarise(self.runs)
        return {
            "schema": SCHEMA,
            "source": self.source,
            "card": self.card,
            "seconds": round(self.seconds, 3),
            "cut_short": self.cut_short,
            "overall": overall,
            "runs": [{"run_id": run.run_id, **summarise([run])} for run in self.runs],
            "cadence": self.cadence,
            "unreadable": self.unreadable,
            "notes": [*self.notes, *_remarks(overall)],
        }


def _remarks(section: dict) -> list[str]:
    notes = []
    if section["time"] == "simulated":
        notes.append("simulated time: the parts are seconds of /clock; `steady` has what was measured by the wall")
    if section["time"] == "mixed":
        notes.append("some runs are in simulated time; the overall parts are of the others, see `runs`")
    if section["same_host"] is False:
        notes.append(
            "policy and controller share no steady clock: transport, lead, camera_to_controller and camera_to_trajectory are "
            "unknown"
        )
    if section["missing"].get("published_steady_ns"):
        notes.append("accepted chunks without a trajectory: the controller ran dry, or its reports were cut short")
    return notes
