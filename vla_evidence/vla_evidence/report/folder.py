"""A run folder: what is in it, read and checked, with the SHA-256 of every file that gives numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from vla_contract.files import sha256_of
from vla_evidence.figures import (
    EvalFigures,
    EvidenceFigures,
    GraphReplayFigures,
    LedgerFigures,
    PairedFigures,
    PreflightFigures,
    ReplayFigures,
)
from vla_evidence.report.errors import ReportError
from vla_evidence.report.words import plural
from vla_evidence.rows.outcomes import LABELS_FILE, OperatorOutcome, apply_outcomes, read_outcomes
from vla_evidence.rows.row_files import read_episodes, read_inferences
from vla_evidence.rows.rows import EpisodeRow, InferenceRow, RowError, episode_from

COMPARISON = "compare.json"
EVALUATION = "eval.json"
FILES = {
    EVALUATION: ("evaluation", EvalFigures),
    COMPARISON: ("comparison", PairedFigures),
    "evidence.json": ("evidence", EvidenceFigures),
    "ledger.json": ("ledger", LedgerFigures),
    "replay.json": ("replay", ReplayFigures),
    "replay_graph.json": ("replay_graph", GraphReplayFigures),
    "preflight.json": ("preflight", PreflightFigures),
}
"""Files of figures: the attribute of a run folder that holds each, and its type."""
AGAINST = "against"
"""Folder of the second policy of `vla eval --against`."""
IMAGES = (".png", ".jpg", ".jpeg")
MOST_FILES = 10_000
"""In bag/, and images in frames/."""
_OUTCOMES = {True: "SUCCESS", False: "FAILURE", None: "UNKNOWN"}


@dataclass(frozen=True)
class Source:
    """A file that the report was made from.

    Attributes:
        name: Relative to the run folder.
        sha256: 64 hex digits.
    """

    name: str
    sha256: str
    bytes: int


@dataclass
class RunFolder:
    """Content of a run folder.

    Attributes:
        episodes: With the operator's outcomes laid over them.
        as_made: The same without them.
        second: Rows of the second policy of a comparison, of the folder `against/` or of eval.json; None: not there.
        episodes_from, inferences_from: File that the rows are of; empty: there is none.
        said: Lines of labels.jsonl.
        evaluation, comparison, evidence, ledger, replay, replay_graph, preflight: Of `FILES`; None: not there.
        bag: rosbag2 folder; None: none.
        images: Of `frames/`.
        notes: What a reader must know about the files, in sentences.
    """

    path: Path
    episodes: list[EpisodeRow] = field(default_factory=list)
    as_made: list[EpisodeRow] = field(default_factory=list)
    inferences: list[InferenceRow] = field(default_factory=list)
    episodes_from: str = ""
    inferences_from: str = ""
    evaluation: EvalFigures | None = None
    comparison: PairedFigures | None = None
    evidence: EvidenceFigures | None = None
    ledger: LedgerFigures | None = None
    replay: ReplayFigures | None = None
    replay_graph: GraphReplayFigures | None = None
    preflight: PreflightFigures | None = None
    bag: Path | None = None
    images: list[Path] = field(default_factory=list)
    said: list[OperatorOutcome] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    second: RunFolder | None = None

    @property
    def relabelled(self) -> int:
        """Episodes whose outcome an operator changed."""
        return sum(made.outcome != row.outcome for made, row in zip(self.as_made, self.episodes))

    @property
    def of_trials(self) -> bool:
        """True in a folder of `vla eval`, whose trials record no bag."""
        return self.evaluation is not None and self.bag is None

    @property
    def namespace(self) -> str | None:
        """Of the robot in the bag that the figures are of; None: they were made without naming one."""
        if self.replay is not None and self.replay.namespace is not None:
            return self.replay.namespace
        for figures in (self.evidence, self.ledger):
            argv = list(figures.command.argv) if figures is not None and figures.command is not None else []
            for word, after in zip(argv, [*argv[1:], None]):
                if word == "--namespace" and after is not None:
                    return after
                if word.startswith("--namespace="):
                    return word.partition("=")[2]
        return None

    @property
    def rows_command(self) -> str:
        """What writes rows into such a folder."""
        return "vla eval --out DIR" if self.of_trials else "vla evidence BAG --out DIR"

    def named(self, *names: str) -> list[Source]:
        """The sources of these names that are there; "bag" stands for all files of the bag."""
        return [s for s in self.sources.values() if s.name in names or ("bag" in names and s.name.startswith("bag/"))]


def read_folder(path: str | Path) -> RunFolder:
    """Reads all but the bag.

    Raises:
        ReportError: No folder, or nothing in it to report.
        FiguresError: A file of figures lacks a field, or is malformed.
        RowError, EvidenceError, OutcomeError: A malformed row.
    """
    path = Path(path)
    if not path.is_dir():
        raise ReportError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; a run folder is needed")
    run = RunFolder(path)
    for name, (attribute, kind) in FILES.items():
        if (path / name).exists():
            setattr(run, attribute, kind.read(path / name))
            run.sources[name] = _source(path, path / name)
    if (path / "bag").is_dir():
        run.bag = path / "bag"
        for file in _files_of(run.bag):
            source = _source(path, file)
            run.sources[source.name] = source
    _read_rows(run)
    _read_second(run)
    run.images = sorted(islice((p for p in (path / "frames").glob("*") if p.suffix.lower() in IMAGES), MOST_FILES))
    if not run.sources:
        raise ReportError(
            f"{path}: nothing to report; a run folder has at least one of bag/, episodes.jsonl, inferences.jsonl, "
            f"{', '.join(FILES)}"
        )
    return run


def _read_rows(run: RunFolder) -> None:
    for stem, read in (("episodes", read_episodes), ("inferences", read_inferences)):
        for name in (f"{stem}.jsonl", f"{stem}.parquet"):
            if (run.path / name).exists():
                setattr(run, stem, read(run.path / name))
                setattr(run, f"{stem}_from", name)
                run.sources[name] = _source(run.path, run.path / name)
                break
    content = run.evaluation
    trials = _trials(content, EVALUATION) if content else None
    if trials is not None and not run.episodes_from:
        run.episodes, run.episodes_from = trials, "eval.json"
    run.as_made = run.episodes
    _apply_labels(run)
    if trials is None:
        return
    if run.inferences and (without := content.without_inferences):
        trials_have = plural(without, "trial has", "trials have")
        run.notes.append(f"{trials_have} no rows in {run.inferences_from}: they were run without")
    outcomes = [[e.outcome for e in rows] for rows in (run.episodes, trials)]
    ours, theirs = ((o.count("SUCCESS"), len(o) - o.count("UNKNOWN")) for o in outcomes)
    if ours != theirs:
        said = "with the operator's outcomes, " if run.relabelled else ""
        run.notes.append(
            f"{said}{run.episodes_from} has {ours[0]} successes of {ours[1]} known outcomes, eval.json {theirs[0]} of "
            f"{theirs[1]}; this page counts {run.episodes_from}"
        )


def _apply_labels(run: RunFolder) -> None:
    run.said = read_outcomes(run.path)
    if not run.said:
        return
    run.sources[LABELS_FILE] = _source(run.path, run.path / LABELS_FILE)
    run.episodes = apply_outcomes(run.episodes, run.said)
    strangers = {one.run_id for one in run.said} - {row.run_id for row in run.episodes}
    if strangers:
        run.notes.append(f"{LABELS_FILE} names {len(strangers)} runs that no episode is of; they are not counted")


def _read_second(run: RunFolder) -> None:
    """The rows that the comparison of `vla eval --against` is with; its files are sources, too."""
    folder, content = run.path / AGAINST, run.evaluation
    if run.comparison is not None and folder.is_dir():
        second = RunFolder(folder)
        if (folder / EVALUATION).exists():
            second.evaluation = EvalFigures.read(folder / EVALUATION, f"{AGAINST}/{EVALUATION}")
            second.sources[EVALUATION] = _source(folder, folder / EVALUATION)
        _read_rows(second)
        for source in second.sources.values():
            name = f"{AGAINST}/{source.name}"
            run.sources[name] = replace(source, name=name)
        run.notes += [f"{AGAINST}/: {note}" for note in second.notes]
        second.episodes_from = f"{AGAINST}/{second.episodes_from}"
        second.inferences_from = f"{AGAINST}/{second.inferences_from}"
    elif content is not None and content.against is not None:
        name = f"{EVALUATION}: {AGAINST}"
        rows = _trials(content.against, name)
        second = RunFolder(run.path, rows, rows, episodes_from=name, evaluation=content.against)
    else:
        return
    run.second = second if second.episodes else None


def _trials(content: EvalFigures, name: str) -> list[EpisodeRow]:
    """The trials of eval.json as episode rows."""
    out = []
    for number, row in enumerate(content.rows, 1):
        given = {key: getattr(row, key) for key in (
            "task", "seed", "instruction", "seconds", "steps_executed", "steps_clamped", "steps_skipped", "refused", "label",
            "first_touched", "target", "pushes", "latency_p50_ms", "latency_p99_ms", "start_ns", "end_ns",
            "first_bad_sequence", "first_bad_stamp_ns", "split", "perturbation",
        )}  # fmt: skip
        made = {
            "run_id": "", "episode": number, "checkpoint": content.checkpoint, "policy": content.policy,
            "card_hash": content.request.card_hash, "checkpoint_hash": content.request.checkpoint_hash,
            "inferences": row.chunks, "clamped_share": row.steps_clamped / row.steps_executed if row.steps_executed else 0.0,
            "outcome": _OUTCOMES[row.success], "outcome_source": "" if row.success is None else "SIM",
            "recovered": row.pushes if row.success else 0, **given,
        }  # fmt: skip
        try:
            out.append(episode_from(made))
        except RowError as error:
            raise ReportError(f"{name}: rows[{number - 1}]: {error}") from None
    return out


def _files_of(bag: Path) -> list[Path]:
    """Of a bag's folder, not of folders that links in it lead to. Raises ReportError for one that is no bag's."""
    found = list(islice((p for p in bag.rglob("*") if p.is_file()), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise ReportError(f"{bag}: more than {MOST_FILES} files; a bag's folder is needed")
    return sorted(found)


def _source(folder: Path, file: Path) -> Source:
    return Source(file.relative_to(folder).as_posix(), sha256_of(file), file.stat().st_size)
