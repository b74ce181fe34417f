"""Trials of other run folders, as the shards of one request, taken over into one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from vla_contract.files import own_folder, read_bytes, write_bytes
from vla_contract.files.limits import IMAGE
from vla_evidence.rows.outcomes import LABELS_FILE, append_outcome, read_outcomes
from vla_evidence.rows.row_files import read_inferences
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.frames import FOLDER
from vla_trials.trials.inference_file import NAME as INFERENCES
from vla_trials.trials.inference_file import InferenceFile
from vla_trials.trials.request import run_id
from vla_trials.trials.result import TrialResult
from vla_trials.trials.store import NAME, Stored, TrialStore, check_same, read_store

Key = tuple[str, int]


@dataclass(frozen=True)
class Taken:
    """Trials that were taken over: by task and seed, with what they took [s], and the suite that ran them."""

    results: dict[Key, tuple[TrialResult, float]]
    suites: dict[Key, str]


def take_over(
    folder: Path, out: Path, store: TrialStore, file: InferenceFile, wanted: Sequence[Key], there: Collection[Key],
    *, mix_suites: bool,
) -> Taken:  # fmt: skip
    """Copies trials with the rows of their inferences, images of failures and the operator's words; ``folder`` stays as it is.

    Args:
        wanted: Trials of the request; others of the folder are left.
        there: Those that need not be taken.

    Raises:
        TrialsError: The folder has no trials, or trials of another request or suite; each differing field is named.
        RowError, OutcomeError, EvidenceError: Its rows or labels are broken.
    """
    found = check_other(folder, store.identity, mix_suites)
    taken = {key: found.results[key] for key in wanted if key in found.results and key not in there}
    keys = {run_id(found.fingerprint, *key): key for key in taken}
    if (folder / INFERENCES).exists():
        rows = (row for row in read_inferences(folder / INFERENCES) if row.run_id in keys)
        for run, of_run in groupby(rows, lambda row: row.run_id):
            file.add(taken[keys[run]][0], list(of_run))
    _copy_labels(folder, out, {run_id(found.fingerprint, *key): run_id(store.fingerprint, *key) for key in wanted})
    for key, (result, seconds) in taken.items():
        _copy_frames(folder, out, key)
        store.add(result, seconds, found.suites[key])  # last: now the trial is finished here
    return Taken(taken, {key: found.suites[key] for key in taken})


def check_other(folder: Path, identity: dict, mix_suites: bool) -> Stored:
    """What such a folder holds. Raises as ``take_over`` does."""
    if not (folder / NAME).is_file():
        raise TrialsError(f"{folder}: no {NAME} there; --from takes folders that `vla eval --out` made")
    found = read_store(folder / NAME)
    if found.identity is None:
        raise TrialsError(f"{folder / NAME}: empty, it does not tell its request")
    check_same(folder, found.identity, identity, mix_suites)
    return found


def _copy_labels(folder: Path, out: Path, runs: Mapping[str, str]) -> None:
    """What was said there of these runs later than anything here, also where it was said after the trials were taken over.

    runs: id there -> id here.
    """
    if not (folder / LABELS_FILE).exists():
        return
    newest = {said.run_id: said.stamp_ns for said in read_outcomes(out)}  # the last line about a run counts
    for said in read_outcomes(folder):
        here = runs.get(said.run_id)
        if here is not None and said.stamp_ns > newest.get(here, -1):
            append_outcome(out, replace(said, run_id=here))


def _copy_frames(folder: Path, out: Path, key: Key) -> None:
    for path in sorted((folder / FOLDER).glob(f"{key[0]}_{key[1]}_*.png")):
        write_bytes(own_folder(out, FOLDER) / path.name, read_bytes(path, IMAGE))
