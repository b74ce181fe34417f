"""A run folder: what is in it, read and checked, with the SHA-256 of every file that gives numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from vla_eval.evidence.outcomes import LABELS_FILE, OperatorOutcome, apply_outcomes, read_outcomes
from vla_eval.evidence.rows import EpisodeRow, InferenceRow, RowError, episode_from, read_episodes, read_inferences
from vla_eval.report.content import Content, ReportError
from vla_eval.report.words import plural

COMPARISON = "compare.json"
JSON_FILES = ("eval.json", COMPARISON, "ledger.json", "replay.json", "replay_graph.json", "preflight.json")
AGAINST = "against"
"""Folder of the second policy of `vla eval --against`."""
PICTURES = (".png", ".jpg", ".jpeg")
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
        json: The JSON files that are there, by name.
        bag: rosbag2 folder; None: none.
        pictures: Of `frames/`.
        notes: What a reader must know about the files, in sentences.
    """

    path: Path
    episodes: list[EpisodeRow] = field(default_factory=list)
    as_made: list[EpisodeRow] = field(default_factory=list)
    inferences: list[InferenceRow] = field(default_factory=list)
    episodes_from: str = ""
    inferences_from: str = ""
    json: dict[str, Content] = field(default_factory=dict)
    bag: Path | None = None
    pictures: list[Path] = field(default_factory=list)
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
        return "eval.json" in self.json and self.bag is None

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
        ReportError: No folder, nothing in it to report, or a malformed file.
        RowError, EvidenceError, OutcomeError: A malformed row.
    """
    path = Path(path)
    if not path.is_dir():
        raise ReportError(f"{path}: {'not a folder' if path.exists() else 'no such folder'}; a run folder is needed")
    run = RunFolder(path)
    for name in JSON_FILES:
        if (path / name).is_file():
            run.json[name] = Content.read(path / name)
            run.sources[name] = _source(path, path / name)
    if (path / "bag").is_dir():
        run.bag = path / "bag"
        for file in sorted(p for p in run.bag.rglob("*") if p.is_file()):
            source = _source(path, file)
            run.sources[source.name] = source
    _read_rows(run)
    _read_second(run)
    run.pictures = sorted(p for p in (path / "frames").glob("*") if p.suffix.lower() in PICTURES)
    if not run.sources:
        raise ReportError(
            f"{path}: nothing to report; a run folder has at least one of bag/, episodes.jsonl, inferences.jsonl, "
            f"{', '.join(JSON_FILES)}"
        )
    return run


def _read_rows(run: RunFolder) -> None:
    for stem, read in (("episodes", read_episodes), ("inferences", read_inferences)):
        for name in (f"{stem}.jsonl", f"{stem}.parquet"):
            if (run.path / name).is_file():
                setattr(run, stem, read(run.path / name))
                setattr(run, f"{stem}_from", name)
                run.sources[name] = _source(run.path, run.path / name)
                break
    content = run.json.get("eval.json")
    trials = _trials(content) if content else None
    if trials is not None and not run.episodes_from:
        run.episodes, run.episodes_from = trials, "eval.json"
    run.as_made = run.episodes
    _apply_labels(run)
    if trials is None:
        return
    if run.inferences and (without := content.number("without_inferences")):
        trials_have = plural(int(without), "trial has", "trials have")
        run.notes.append(f"{trials_have} no rows in {run.inferences_from}: they were run without")
    told = [[e.outcome for e in rows] for rows in (run.episodes, trials)]
    ours, theirs = ((o.count("SUCCESS"), len(o) - o.count("UNKNOWN")) for o in told)
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
    folder, content = run.path / AGAINST, run.json.get("eval.json")
    if COMPARISON in run.json and folder.is_dir():
        second = RunFolder(folder)
        if (folder / "eval.json").is_file():
            second.json["eval.json"] = Content.read(folder / "eval.json", f"{AGAINST}/eval.json")
            second.sources["eval.json"] = _source(folder, folder / "eval.json")
        _read_rows(second)
        for source in second.sources.values():
            name = f"{AGAINST}/{source.name}"
            run.sources[name] = replace(source, name=name)
        run.notes += [f"{AGAINST}/: {note}" for note in second.notes]
        second.episodes_from = f"{AGAINST}/{second.episodes_from}"
        second.inferences_from = f"{AGAINST}/{second.inferences_from}"
    elif content is not None and (inner := content.inner(AGAINST)) is not None:
        rows = _trials(inner)
        second = RunFolder(run.path, rows, rows, episodes_from=inner.name)
    else:
        return
    run.second = second if second.episodes else None


def _trials(content: Content) -> list[EpisodeRow]:
    """The trials of eval.json as episode rows."""
    out = []
    for number, raw in enumerate(content.rows("rows"), 1):
        where = f"{content.name}: rows[{number - 1}]"
        row = Content(where, raw)
        success = row.get("success")
        if success not in (True, False, None):
            raise ReportError(f"{where}: success: {success!r}, allowed are true, false and null")
        executed, clamped = row.number("steps_executed") or 0, row.number("steps_clamped") or 0
        given = {name: raw[name] for name in (
            "task", "seed", "instruction", "seconds", "steps_executed", "steps_clamped", "steps_skipped", "refused", "label",
            "first_touched", "target", "pushes", "latency_p50_ms", "latency_p99_ms", "start_ns", "end_ns",
            "first_bad_sequence", "first_bad_stamp_ns", "split", "perturbation",
        ) if name in raw}  # fmt: skip
        pushes = row.number("pushes") or 0
        made = {
            "run_id": "", "episode": number, "task": "", "seed": None, "instruction": "",
            "checkpoint": content.text("checkpoint"), "policy": content.text("policy"), "split": content.text("split"),
            "perturbation": content.text("perturbation"), "card_hash": content.text("request", "card_hash"),
            "checkpoint_hash": content.text("request", "checkpoint_hash"), "inferences": int(row.number("chunks") or 0),
            "clamped_share": clamped / executed if executed else 0.0, "outcome": _OUTCOMES[success],
            "outcome_source": "" if success is None else "SIM", "recovered": int(bool(success) and pushes), **given,
        }  # fmt: skip
        try:
            out.append(episode_from(made))
        except RowError as error:
            raise ReportError(f"{where}: {error}") from None
    return out


def _source(folder: Path, file: Path) -> Source:
    digest = hashlib.sha256()
    with open(file, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return Source(file.relative_to(folder).as_posix(), digest.hexdigest(), file.stat().st_size)
