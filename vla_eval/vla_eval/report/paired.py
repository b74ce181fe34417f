"""Two policies paired: what `vla eval --against` wrote, and the same of the outcomes after labelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vla_eval.evidence.rows import EpisodeRow
from vla_eval.report.content import Content
from vla_eval.report.folder import COMPARISON, RunFolder
from vla_eval.report.words import plural
from vla_eval.trials.paired import Pairs, compare, pair

_OUTCOME = {"SUCCESS": True, "FAILURE": False, "UNKNOWN": None}
_COUNTS = ("both", "only_first", "only_second", "neither", "unknown", "unpaired")
_NOTHING = "no trial of both has a known outcome: there is nothing to compare"


def comparison_section(run: RunFolder) -> dict | None:
    """The comparison that `vla eval --against` wrote; None where there is none.

    After labelling it is made again, from the rows of both policies where those are the ones that it counts; else it stays
    as it was written, with `before` true. `note`: what is to be said of that; empty: nothing.
    """
    content = run.json.get(COMPARISON)
    if content is None and "eval.json" in run.json:
        content = run.json["eval.json"].inner("comparison")
    if content is None:
        return None
    written, second = compared(content), run.second
    changed = run.relabelled + (second.relabelled if second else 0)
    said = f"an operator changed the outcome of {plural(changed, 'trial')}"
    before = f"Of the outcomes before labelling; {said} since. " if changed else ""
    if second is None:
        why = "The rows of the other policy are not in this folder." if changed else ""
        return {**written, "before": bool(changed), "note": before + why}
    made, _ = pair_rows(run.as_made, second.as_made)
    if _counts(made) != tuple(written[name] for name in _COUNTS):
        files = f"{run.episodes_from} and {second.episodes_from}"
        why = f"It stands as {content.name} has it: the rows of {files} are not those that it counts."
        return {**written, "before": bool(changed), "note": before + why}
    if not changed:
        return {**written, "before": False, "note": ""}
    note = f"Of the outcomes after labelling: {said} since {content.name} was written."
    pairs, _ = pair_rows(run.episodes, second.episodes)
    if pairs.count:
        again = compared(Content(content.name, compare(pairs, tuple(written["policies"]))))
    else:
        nothing = dict.fromkeys(("difference", "low", "high", "p"))
        again = {**written, **dict(zip(_COUNTS, _counts(pairs))), **nothing, "pairs": 0, "discordant": 0, "verdict": _NOTHING}
    return {**again, "planned": written["planned"], "before": False, "note": note}


def compared(content: Content) -> dict:
    """Figures of a comparison, checked. ReportError names what is malformed."""
    interval = content.interval("interval")
    policies = [str(p) for p in content.rows("policies")]
    return {
        "policies": policies if len(policies) == 2 else ["first", "second"],
        **{name: content.number(name) for name in (*_COUNTS, "pairs", "discordant")},
        "difference": content.number("difference"),
        "low": interval and interval[0],
        "high": interval and interval[1],
        "method": content.text("interval_method"),
        "p": content.number("mcnemar_exact_p"),
        "verdict": content.text("verdict"),
        "planned": content.numbers("planned"),
        "file": content.name.split(":")[0],
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
    told = {k: _OUTCOME[row.outcome] for k, row in zip(keys, rows, strict=True) if row.seed is not None and counts[k] == 1}
    return told, len(rows) - len(told)


def _counts(pairs: Pairs) -> tuple[int, ...]:
    return pairs.both, pairs.first, pairs.second, pairs.neither, pairs.unknown, pairs.unpaired
