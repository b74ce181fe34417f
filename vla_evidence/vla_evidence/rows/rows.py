"""Evidence rows: one for each inference, one for each episode. JSON Lines with one row a line; Parquet in `parquet`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any

from vla_contract.action_space import ActionSpace
from vla_contract.json_ready import json_ready
from vla_contract.report import Verdict
from vla_contract.status import Outcome
from vla_evidence.labels.finding import Label

OUTCOMES = tuple(o.name for o in Outcome)
SOURCES = ("SIM", "OPERATOR", "DETECTOR", "")
LABELS = (*(str(label) for label in Label), "")
SPACES = (*(space.name for space in ActionSpace), "")


class RowError(ValueError):
    """A row that cannot be. The message names the file, the line and the field."""


@dataclass(frozen=True)
class InferenceRow:
    """One inference, and what became of its chunk. A row without a chunk (verdict LOST) is empty where nobody knows."""

    run_id: str
    """UUID of the run, 32 hex digits."""
    episode: int
    """Counts the episodes of a file from 1, in order of time."""
    sequence: int
    """Of the chunk within its run, from 0."""
    stamp_ns: int
    """Acquisition of the first camera [ns]; 0: unknown."""
    image_stamps_ns: tuple[int, ...] = ()
    """Acquisition of each camera's image [ns], in the order of `cameras`."""
    cameras: tuple[str, ...] = ()
    instruction: str = ""
    state: tuple[float, ...] = ()
    """What the policy saw of the robot, in the order of the card's state fields [rad, m]; empty: not recorded."""
    action_space: str = ""
    names: tuple[str, ...] = ()
    """Columns of the action."""
    horizon: int = 0
    checkpoint_hash: str = ""
    card_hash: str = ""
    latency_ms: float | None = None
    """From camera stamp to arrival at the controller [ms], as the ledger has it; None: it has no figure."""
    latency_unknown: str = ""
    """Why `latency_ms` is None, in the ledger's words; empty: nobody said."""
    inference_ms: float | None = None
    """[ms]; None: not measured."""
    verdict: str = ""
    """The controller's last word (ChunkReport); empty: no report in the bag."""
    message: str = ""
    """Its reason in words."""
    steps_executed: int = 0
    steps_clamped: int = 0
    clamped_share: float = 0.0
    """Clamped over executed steps."""
    clamps: tuple[dict[str, Any], ...] = ()
    """Each: step, limit ("velocity panda_joint3") and amount beyond it, in the limit's unit."""
    bad: bool = False
    """The first bad action of its episode."""
    label: str = ""
    """The episode's label, in its first bad row."""

    def as_row(self) -> dict:
        """Ready for JSON."""
        return _as_row(self)


@dataclass(frozen=True)
class EpisodeRow:
    """One episode: a run of the policy, from its goal to its end."""

    run_id: str
    episode: int
    task: str
    """As the card or the simulator names it; empty: unknown."""
    seed: int | None
    """Of the simulator; None: a real arm, or unknown."""
    instruction: str
    card_name: str = ""
    card_hash: str = ""
    policy_hash: str = ""
    checkpoint: str = ""
    checkpoint_hash: str = ""
    policy: str = ""
    head: str = ""
    action_space: str = ""
    cameras: tuple[str, ...] = ()
    split: str = ""
    """Of `vla eval`; empty: none."""
    perturbation: str = ""
    """What was changed, in words; empty: nothing that is known."""
    start_ns: int = 0
    """First sign of the run [ns]."""
    end_ns: int = 0
    """Last sign of it [ns]."""
    seconds: float = 0.0
    """Time until success where ground truth tells it, else until the end [s]."""
    inferences: int = 0
    steps_executed: int = 0
    steps_clamped: int = 0
    steps_skipped: int = 0
    """Past when their chunk arrived."""
    clamped_share: float = 0.0
    """Clamped over executed steps."""
    refused: dict[str, int] = field(default_factory=dict)
    """Chunks that were not executed, by verdict."""
    outcome: str = "UNKNOWN"
    """SUCCESS, FAILURE or UNKNOWN. UNKNOWN is never scored."""
    outcome_source: str = ""
    """SIM, OPERATOR or DETECTOR; empty: nobody."""
    first_bad_sequence: int | None = None
    first_bad_stamp_ns: int | None = None
    label: str = ""
    """Why it failed, a `Label`; empty: none fits, or it did not fail."""
    first_touched: str = ""
    """First object touched; empty: none, or unknown."""
    target: str = ""
    """Object that the instruction names; empty: unknown."""
    pushes: int = 0
    """Times that the arm was pushed."""
    recovered: int = 0
    """Pushes after which the task was done."""
    latency_p50_ms: float | None = None
    """Median of the inferences' latency [ms]; None: not measured."""
    latency_p99_ms: float | None = None
    latency_unknown: str = ""
    """Why no inference has a latency, the reason of most of them; empty: some have one, or nobody said."""

    def as_row(self) -> dict:
        """Ready for JSON."""
        return _as_row(self)


def episode_from(row: dict) -> EpisodeRow:
    """A row from parsed JSON or Parquet. RowError names the field."""
    return _from_row(EpisodeRow, row)


def inference_from(row: dict) -> InferenceRow:
    """A row from parsed JSON or Parquet. RowError names the field."""
    return _from_row(InferenceRow, row)


def _as_row(row: EpisodeRow | InferenceRow) -> dict:
    return {f.name: json_ready(getattr(row, f.name)) for f in fields(row)}


def _from_row(kind: type, row: dict):
    known = {f.name: f for f in fields(kind)}
    for name in row:
        if name not in known:
            raise RowError(f"{name}: no field of {kind.__name__}, which has {', '.join(known)}")
    values = {}
    for name, spec in known.items():
        if name not in row:
            if spec.default is MISSING and spec.default_factory is MISSING:
                raise RowError(f"{name}: missing")
            continue
        values[name] = _checked(name, spec.type, row[name])
    return kind(**values)


_CLAMP = {"step": "int", "limit": "str", "amount": "float"}


def _is_beyond(value: Any) -> bool:
    """Whether a whole number is one that no stamp and no count can be."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _seen(value: Any) -> str:
    if _is_beyond(value):
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


_NUMBERS = {"NaN", "Infinity", "-Infinity"}
_ONE_OF = MappingProxyType(
    {
        "outcome": OUTCOMES, "outcome_source": SOURCES, "label": LABELS, "action_space": SPACES,
        "verdict": (*(v.name for v in Verdict), ""),
    }
)  # fmt: skip


def _checked(name: str, kind: str, value: Any) -> Any:
    optional = kind.endswith(" | None")
    kind = kind.removesuffix(" | None")
    if value is None and optional:
        return None
    if kind.startswith("tuple["):
        if not isinstance(value, list | tuple):
            raise RowError(f"{name}: {_seen(value)}, allowed is a list")
        return tuple(_checked(f"{name}[{i}]", kind[6:].split(",")[0], item) for i, item in enumerate(value))
    if kind.startswith("dict["):
        if not isinstance(value, dict):
            raise RowError(f"{name}: {_seen(value)}, allowed is a mapping")
        if kind == "dict[str, int]":
            return {key: _checked(f"{name}.{key}", "int", item) for key, item in value.items()}
        for key in _CLAMP:
            if key not in value:
                raise RowError(f"{name}.{key}: missing")
        return {key: _checked(f"{name}.{key}", of, value[key]) for key, of in _CLAMP.items()}
    if kind == "float":
        if isinstance(value, str) and value in _NUMBERS:
            return float(value)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and not _is_beyond(value)
        value = float(value) if fits else value
    else:
        wanted = {"int": int, "str": str, "bool": bool}[kind]
        fits = isinstance(value, wanted) and (kind == "bool" or not isinstance(value, bool)) and not _is_beyond(value)
    if not fits:
        words = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}[kind]
        raise RowError(f"{name}: {_seen(value)}, allowed is {words}{' or null' if optional else ''}")
    if name in _ONE_OF and value not in _ONE_OF[name]:
        raise RowError(f"{name}: {_seen(value)}, allowed are {', '.join(repr(v) for v in _ONE_OF[name])}")
    return value
