"""For each claim of the page its packet: what was changed, how to get the number again, what would fool it, its source."""

from __future__ import annotations

import math
import shlex

from vla_evidence.report.folder import AGAINST, RunFolder
from vla_evidence.report.reproduce import Again, of_ledger, of_preflight, of_replay, of_rows, of_trials
from vla_evidence.report.words import percent_text, plural

_SUCCESS_FOOLED = (
    "A detector that takes a lucky end state for a done task; trials left UNKNOWN because they went badly; seeds chosen after "
    "they were seen; a controller whose limits do the policy's work, which is why the share of clamped steps stands beside it."
)
_CLAMPED_FOOLED = (
    "A policy that hardly moves is hardly clamped. Steps of refused chunks are not executed, and so not counted: see the "
    "verdicts."
)
_LATENCY_FOOLED = (
    "Images stamped when they were published instead of when they were taken; clocks of two hosts that differ; simulated time, "
    "whose seconds are not those of the machine; percentiles over executed chunks alone, when the slow ones were refused."
)
_REPLAY_FOOLED = (
    "Open-loop error is taken at the states of the recorded run, which another policy would not have come to: a small error does "
    "not show that the loop holds, nor a large one that it fails."
)
_BETWEEN_FOOLED = (
    "Two policies that agree may be wrong together, and a large distance does not say which is. Both are asked at the states of "
    "the recorded run, to which neither of them may have come."
)
_SHADOW_FOOLED = (
    "The shadow never meets the consequences of its own actions: a small, steady distance may be a better policy, and full "
    "agreement says nothing of states that the commanding policy never visits. Chunks that the shadow skipped are not counted."
)
_LIMITS_FOOLED = (
    "This looks at what was commanded, not at what the arm did; and at the card's limits, which may be wider than the robot's. "
    "Collisions and the table are not looked at."
)
_PREFLIGHT_FOOLED = "A check that could not be made finds nothing: read what was not checked. Only the recorded stretch was seen."
_PAIRED_FOOLED = (
    "Pairs that are none: other scenes, another latency or another time limit under the same seed. Many comparisons, of "
    "which the one that came out is shown. A stop when the p-value pleased."
)
_GROUNDING_FOOLED = (
    "A scene with one object only, in which the first touch is always right; trials that touch nothing are left out."
)


def claims(run: RunFolder, page: dict) -> list[dict]:
    """Claims with claim, changed, commands, fooled, sources. Only of sections that the page has."""
    made = []
    success, timing, replay = page["success"], page["timing"], page["replay"]
    if success:
        total, circumstances = success["total"], _circumstances(run)
        again, files = of_rows(run), run.named(success["file"], "labels.jsonl")
        made.append(_claim(_success(total), circumstances, again, _SUCCESS_FOOLED, files))
        if total["clamped_share"] is not None:
            known = ", over the episodes of known outcome" if total["unknown"] else ""
            words = f"{percent_text(total['clamped_share'])} of {total['executed']} executed steps were clamped{known}."
            made.append(_claim(words, circumstances, again, _CLAMPED_FOOLED, files))
        grounding = next((a for a in success["apart"] if a["key"] == "grounding"), None)
        if grounding:
            words = f"The first object touched is the named one in {grounding['hits']} of {grounding['of']} episodes."
            made.append(_claim(words, circumstances, again, _GROUNDING_FOOLED, files))
    comparison = page["comparison"]
    if comparison and comparison["difference"] is not None:
        before = "Of the outcomes before labelling, " if comparison["before"] else ""
        difference = f"{100 * comparison['difference']:+.1f}\u00a0% of trials"
        words = f"{before}{' less '.join(comparison['policies'])}: {difference}; {comparison['verdict']}."
        changed = f"The policy: {' against '.join(comparison['policies'])}, on the same seeds."
        own = ("episodes.jsonl", "episodes.parquet", "labels.jsonl")
        files = run.named("compare.json", "eval.json", *own, *(f"{AGAINST}/{name}" for name in own))
        made.append(_claim(words, changed, of_trials(run), _PAIRED_FOOLED, files))
    if page["against"] and page["against"]["comparison"]:
        made.append(_against(run, page["against"]))
    if timing and timing["wholes"]:
        made.append(_claim(
            _latency(timing), "Nothing; measured from the stamps of chunks and reports.", of_ledger(run), _LATENCY_FOOLED,
            run.named("ledger.json", "bag"),
        ))  # fmt: skip
    if replay:
        made += _replay_claims(run, replay)
    if page["preflight"]:
        found = page["preflight"]
        words = f"Preflight: {plural(found.errors, 'error')}, {plural(found.warnings, 'warning')}."
        files = run.named("preflight.json", "bag")
        made.append(_claim(words, "Nothing.", of_preflight(run), _PREFLIGHT_FOOLED, files))
    return made


def _against(run: RunFolder, section: dict) -> dict:
    found, (here, there) = section["comparison"], section["sides"]
    words = f"{here['name']} less {there['name']}: {100 * found['difference']:+.1f}\u00a0% of paired trials; {found['verdict']}."
    changed = "; ".join(f"{name}: {before} here, {after} there" for name, before, after in section["changed"])
    command = shlex.join(["vla", "report", str(run.path), "--against", there["folder"]])
    files = [*run.named("episodes.jsonl", "episodes.parquet", "eval.json", "labels.jsonl"), *section["sources"]]
    return _claim(words, changed or "Nothing that the folders tell of.", Again((command,)), _PAIRED_FOOLED, files)


def _replay_claims(run: RunFolder, replay: dict) -> list[dict]:
    files, again = run.named("replay.json", "bag"), of_replay(run)
    faults = ", ".join(f"{name}: {count:g}" for name, count in replay["faults"].items())
    changed = f"Faults put into the stream ({faults})." if faults else "Nothing: the recorded stream as it was."
    made = []
    for name, side in [("recorded chunks", replay), *((p["name"], p) for p in replay["policies"])]:
        controller = side["controller"]
        if controller and controller["samples"]:
            count, samples = controller["violations"], controller["samples"]
            words = "No limit violated" if not count else f"{plural(count, 'violation')} of limits"
            words = f"{words} by the controller on {name}: {samples} instants looked at."
            made.append(_claim(words, changed, again, _LIMITS_FOOLED, files))
    for side in replay["policies"]:
        worst = _worst(side)
        if worst:
            words = f"Open-loop error of {side['name']}: at most {_size(worst)} mean ({worst['name']})."
            if not math.isfinite(worst["mean_abs"]):
                words = f"{side['name']} gives values that are not finite ({worst['name']})."
            made.append(_claim(words, changed, again, _REPLAY_FOOLED, files))
    apart = f"The policy, on the same observations. {changed}" if faults else "The policy, on the same observations."
    names = " and ".join(side["name"] for side in replay["policies"])
    shadowed = "Nothing: both chunks as recorded."
    for row, words, change, fooled in (
        (replay["between"], f"{names or 'The two policies'} are apart", apart, _BETWEEN_FOOLED),
        (replay["shadow"], "The recorded shadow is apart from the commanding policy", shadowed, _SHADOW_FOOLED),
    ):
        worst = _worst(row) if row else None
        if worst:
            over = plural(row["chunks"], "chunk")
            words = f"{words} by at most {_size(worst)} in the mean ({worst['name']}), over {over}."
            made.append(_claim(words, change, again, fooled, files))
    return made


def _worst(row: dict) -> dict | None:
    """Column of the largest mean distance."""
    return max((c for c in row["columns"] if c["mean_abs"] is not None), key=lambda c: c["mean_abs"], default=None)


def _size(column: dict) -> str:
    if not math.isfinite(column["mean_abs"]):
        return "nothing finite"
    return f"{column['mean_abs']:.4g} {column['unit']}".strip()


def _claim(claim: str, changed: str, again: Again, fooled: str, sources: list) -> dict:
    return {
        "claim": claim, "changed": changed, "commands": again.commands, "said": again.said, "fooled": fooled, "sources": sources,
    }  # fmt: skip


def _success(total: dict) -> str:
    if total["rate"] is None:
        return f"No outcome of {plural(total['episodes'], 'episode')} is known: there is no success rate."
    words = (
        f"Success rate is {percent_text(total['rate'])} ({total['successes']} of {total['known']}; 95\u00a0% interval "
        f"{percent_text(total['low'])} to {percent_text(total['high'])})."
    )
    if total["unknown"]:
        words += (
            f" {total['unknown']} of unknown outcome are not scored: had all of them failed it would be "
            f"{percent_text(total['if_failed'])}, had all succeeded {percent_text(total['if_succeeded'])}."
        )
    return words


def _latency(timing: dict) -> str:
    whole = next((w for w in timing["wholes"] if w["name"] == "camera_to_actuation"), timing["wholes"][-1])
    if whole["p50_ms"] is None:
        return "No chunk has a complete row: there is no latency figure."
    return (
        f"{whole['words'].capitalize()} is {whole['p50_ms']:.1f} ms in the median, {whole['p99_ms']:.1f} ms at the 99th "
        f"percentile, over {whole['count']} chunks."
    )


def _circumstances(run: RunFolder) -> str:
    """Perturbations, splits, setup, noise and latency, as far as the files tell."""
    found = []
    for name, words in (("perturbation", "perturbation"), ("split", "split")):
        values = sorted({getattr(row, name) for row in run.episodes} - {""})
        found += [f"{words} {', '.join(values)}"] if values else []
    trials = run.evaluation
    if trials is not None:
        words = " ".join(found)
        if trials.setup not in ("", "standard") and "setup=" not in words:
            found.append(f"setup {trials.setup}")
        if trials.request.noise and "noise=" not in words:
            found.append(f"white noise of {trials.request.noise:g} m on each translation")
        found += ["latencies were injected"] if trials.latency.source == "injected" else []
    return ("; ".join(found)[0].upper() + "; ".join(found)[1:] + ".") if found else "Nothing that the files tell of."
