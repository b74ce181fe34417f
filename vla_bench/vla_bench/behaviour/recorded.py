"""What was recorded, and what of it is otherwise now."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

SHIPPED = Path(__file__).with_name("recorded.json")
"""Recorded on the machine that it names. Another one, or other kernels of linear algebra (`OPENBLAS_CORETYPE`), may round
otherwise: record there before a change."""

ROUNDS = ("processor", "linear_algebra", "compiled_for")
"""What of a machine decides how sums are rounded."""


class BehaviourError(ValueError):
    """A recording that cannot be compared with. The message names the file."""


@dataclass
class Recorded:
    """Digests by the seed of a stream, and by task in the order of the trials' seeds."""

    machine: dict = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes JSON."""
        content = {"machine": self.machine, "streams": {str(s): d for s, d in sorted(self.streams.items())}, "rows": self.rows}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Recorded:
        """Raises BehaviourError."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            streams = {int(seed): digest for seed, digest in content["streams"].items()}
            return cls(content["machine"], streams, content["rows"])
        except OSError as error:
            raise BehaviourError(f"{path}: {error.strerror}; `vla behaviour --record FILE` writes one") from None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BehaviourError(f"{path}: not a recording of `vla behaviour` ({error})") from None

    def changed(self, now: Recorded) -> tuple[list[int], list[tuple[str, int]]]:
        """Seeds of streams, and (task, number) of trials, that are in both and differ."""
        streams = [seed for seed in sorted(now.streams) if self.streams.get(seed, now.streams[seed]) != now.streams[seed]]
        rows = [
            (task, k) for task, digests in now.rows.items()
            for k, (new, old) in enumerate(zip(digests, self.rows.get(task, []))) if new != old
        ]  # fmt: skip
        return streams, rows
