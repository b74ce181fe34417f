"""Closed-loop trials in lockstep, over processes or a cluster, resumable, with honest figures."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from vla_evidence.provenance.checkpoint import EXPERT
from vla_trials.lockstep.simulated_cell import check_inputs
from vla_trials.lockstep.stitching import StitchingError, check_stitching
from vla_trials.trials.engines import ENGINES
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.frames import keep_frames
from vla_trials.trials.inference_file import InferenceFile
from vla_trials.trials.merging import check_other, take_over
from vla_trials.trials.request import EvalRequest, fingerprint
from vla_trials.trials.result import TrialResult
from vla_trials.trials.scores import summarise
from vla_trials.trials.splits import SPLITS, check_new_words
from vla_trials.trials.store import TrialStore
from vla_trials.trials.worker import Evaluator

__all__ = ["EXPERT", "EvalRequest", "Evaluator", "TrialResult", "check_request", "evaluate", "summarise"]


def check_request(request: EvalRequest) -> None:
    """Look at what the user gave before processes are started on it.

    Raises:
        CardError, WorldError, CheckpointError, TrialsError: What is wrong with it.
    """
    card = check_inputs(request.card_path, None if request.checkpoint == EXPERT else request.checkpoint)
    request.perturbations.check_cameras(card.camera_names)
    for task in request.tasks:
        if task not in [t.name for t in card.tasks]:
            raise TrialsError(
                f"card '{card.name}' has no task '{task}', it has: {', '.join(t.name for t in card.tasks)}"
            )
    try:
        check_stitching(card, request.strategy, request.committed_steps, request.replan_steps)
    except StitchingError as error:
        raise TrialsError(f"{error} (card '{card.name}')") from None
    if request.split and SPLITS[request.split].new_words:
        check_new_words(card)


def evaluate(
    request: EvalRequest,
    *,
    jobs: int,
    engine: str = "process",
    out: Path | None = None,
    on_result: Callable[[TrialResult], None] | None = None,
    inferences: bool = True,
    mix_suites: bool = False,
    others: Sequence[Path] = (),
) -> dict:
    """All trials, in parallel, with a progress bar. The same seeds give the same rows whatever `jobs` and `engine` are.

    Args:
        out: Folder in which each finished trial is kept at once, of a failure also what the policy saw when it went
            wrong. Trials that are there already are not run again.
        on_result: Called with each trial that is run now, in the order in which they finish.
        inferences: Keep a row for each inference of the trials that are run now in the folder.
        mix_suites: Go on in a folder that another version of the suite began.
        others: Run folders whose trials are taken over first, see `take_over`; only with `out`.

    Returns:
        What `summarise` gives, and `resumed`: trials that were there; `request`: its identity, or that of the folder;
        `suites`: trials by the suite that ran them; `without_inferences`: trials without their rows in the folder, None
        without one. Timing is of the trials run now.

    Raises:
        TrialsError: Among others, a folder of another request or suite. Also what `check_request` raises.
        OSError: The folder cannot be written, as on a full disk. Names the file; trials that were kept stay.
    """
    if engine not in ENGINES:
        raise TrialsError(f"no engine '{engine}'; there are: {', '.join(ENGINES)}")
    check_request(request)
    identity = request.identity()
    for folder in others if out else ():
        check_other(folder, identity, mix_suites)  # before the folder is begun with this request
    with ExitStack() as stack:
        store = stack.enter_context(TrialStore(out, identity, mix_suites=mix_suites)) if out else None
        finished = dict(store.found.results) if store else {}
        found_suites = dict(store.found.suites) if store else {}
        file = None
        if store:
            file = stack.enter_context(InferenceFile(out, identity, request.trials, finished, store.fingerprint))
            for folder in others:
                taken = take_over(folder, out, store, file, request.trials, finished, mix_suites=mix_suites)
                finished |= taken.results
                found_suites |= taken.suites
        missing = [key for key in request.trials if key not in finished]
        suites = {**dict.fromkeys(missing, identity["suite"]), **found_suites}
        busy, start = 0.0, time.perf_counter()
        if missing:
            jobs = min(jobs, len(missing))

            def fewer(count: int) -> None:
                nonlocal jobs
                tqdm.write(f"{count} of {jobs} processes: no more CPUs of the cluster are free", file=sys.stderr)
                jobs = count

            trials = ENGINES[engine](request, missing, jobs, fewer)
            for one in _shown(request, trials, finished, len(missing)):
                if store:
                    keep_frames(out, one.result, one.frames)
                    if inferences:
                        file.add(one.result, one.inferences)
                    store.add(one.result, one.seconds)  # last: now the trial is finished
                finished[one.result.key] = one.result, one.seconds
                busy += one.seconds
                if on_result:
                    on_result(one.result)
        wall = time.perf_counter() - start
        results = [finished[key][0] for key in sorted(request.trials)]
        without = file.finish(results) if file else None
    ran = [finished[key][0] for key in missing]
    figures = summarise(request, results, busy=busy, wall=wall, jobs=jobs)
    simulated = sum(r.virtual_seconds for r in ran)
    figures["realtime_factor_per_process"] = round(simulated / busy, 2) if busy else 0.0
    figures["realtime_factor"] = round(simulated / wall, 2) if ran else 0.0
    return {
        **figures,
        "engine": engine,
        "resumed": len(results) - len(ran),
        "request": store.identity if store else identity,
        "fingerprint": store.fingerprint if store else fingerprint(identity),
        "suites": dict(Counter(suites[key] for key in sorted(request.trials))),
        "without_inferences": without,
    }


def _shown(request: EvalRequest, trials, finished: dict[tuple[str, int], tuple[TrialResult, float]], count: int):
    """The trials with a progress bar that counts those that were there too."""
    done = len(finished)
    name = ", ".join(request.tasks)
    with tqdm(total=done + count, initial=done, desc=name, unit="trial") as bar:
        for one in trials:
            yield one
            successes = sum(bool(r.success) for r, _ in finished.values())
            bar.set_postfix(success=f"{successes}/{len(finished)}", refresh=False)
            bar.update()
