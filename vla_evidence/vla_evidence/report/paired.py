"""Two policies paired: what `vla eval --against` wrote, and the same of the outcomes after labelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vla_evidence.figures import PairedFigures
from vla_evidence.report.folder import COMPARISON, EVALUATION, RunFolder
from vla_evidence.report.words import plural
from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.statistics.paired import Pairs, compare, pair

_OUTCOME = {"SUCCESS": True, "FAILURE": False, "UNKNOWN": None}
_COUNTS = ("both", "only_first", "only_second", "neither", "unknown", "unpaired")
_NOTHING = "no trial of both has a known outcome: there is nothing to compare"


def comparison_section(run: RunFolder) -> dict | None:
    """The comparison that `vla eval --against` wrote; None where there is none.

    After labelling it is made again, from the rows of both policies where those are the ones that it counts; else it stays
    as it was written, with `before` true. `note`: what is to be said of that; empty: nothing.
    """
    content, file = run.comparison, COMPARISON
    if content is None and run.evaluation is not None:
        content, file = run.evaluation.comparison, EVALUATION
    if content is None:
        return None
    written, second = compared(content, file), run.second
    changed = run.relabelled + (second.relabelled if second else 0)
    said = f"an operator changed the outcome of {plural(changed, 'trial')}"
    before = f"Of the outcomes before labelling; {said} since. " if changed else ""
    if second is None:
        why = "The rows of the other policy are not in this folder." if changed else ""
        return {**written, "before": bool(changed), "note": before + why}
    made, _ = pair_rows(run.as_made, second.as_made)
    if _counts(made) != tuple(written[name] for name in _COUNTS):
        files = f"{run.episodes_from} and {second.episodes_from}"
        why = f"It stands as {file} has it: the rows of {files} are not those that it counts."
        return {**written, "before": bool(changed), "note": before + why}
    if not changed:
        return {**written, "before": False, "note": ""}
    note = f"Of the outcomes after labelling: {said} since {file} was written."
    pairs, _ = pair_rows(run.episodes, second.episodes)
    if pairs.count:
        again = compared(PairedFigures.from_json(compare(pairs, content.policies), file), file)
    else:
        nothing = dict.fromkeys(("difference", "low", "high", "p"))
        again = {**written, **dict(zip(_COUNTS, _counts(pairs))), **nothing, "pairs": 0, "discordant": 0, "verdict": _NOTHING}
    return {**again, "planned": written["planned"], "before": False, "note": note}


def compared(content: PairedFigures, file: str) -> dict:
    """Figures of a comparison for the page. file: that they are of."""
    low, high = content.interval
    return {
        "policies": content.policies,
        **{name: getattr(content, name) for name in (*_COUNTS, "pairs", "discordant", "difference", "verdict")},
        "low": low,
        "high": high,
        "method": content.interval_method,
        "p": content.mcnemar_exact_p,
        "planned": {name: value for name, value in (content.planned or {}).items() if value is not None},
        "file": file,
    }


def pair_rows(first: Sequence[EpisodeRow], second: Sequence[EpisodeRow]) -> tuple[Pairs, int]:
    """Outcomes by task and seed, and by perturbation where both have the same ones.

    And how many rows pair with nothing, because they have no seed or their key comes twice.
    """
    same = {row.perturbation for row in first} == {row.perturbation for row in second}
    (here, alone), (there, alone_there) = _keyed(first, same), _keyed(second, same)
    return pair(here, there), alone + alone_there


def _keyed(rows: Sequence[EpisodeRow], same: bool) -> tuple[dict[tuple, bool | None], int]:
    keys = [(row.task, row.seed, row.perturbation if same else "") for row in rows]
    counts = Counter(keys)
    outcomes = {k: _OUTCOME[row.outcome] for k, row in zip(keys, rows, strict=True) if row.seed is not None and counts[k] == 1}
    return outcomes, len(rows) - len(outcomes)


def _counts(pairs: Pairs) -> tuple[int, ...]:
    return pairs.both, pairs.first, pairs.second, pairs.neither, pairs.unknown, pairs.unpaired
