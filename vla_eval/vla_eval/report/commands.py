"""Commands that make a file of a run folder again, from what the file itself says."""

from __future__ import annotations

import shlex
from pathlib import Path

from vla_eval.report.content import Content, ReportError
from vla_eval.report.folder import RunFolder


def eval_commands(run: RunFolder, card_name: str) -> list[str]:
    """Of eval.json, from the request in it; empty where it holds none.

    Several commands where the seeds are not one range: each makes a part.
    """
    content = run.json.get("eval.json")
    request = content.inner("request") if content else None
    if content is None or request is None:
        return []
    words = ["vla", "eval", "--card", card_name or shipped_card(request.text("card_hash")) or "CARD"]
    words += ["--checkpoint", _checkpoint(content.text("checkpoint")) or "CHECKPOINT"]
    words += ["--task", *(str(task) for task in request.rows("tasks"))]
    if content.text("setup") not in ("", "standard"):
        words += ["--setup", content.text("setup")]
    if content.text("perturbation"):
        words += ["--perturb", *content.text("perturbation").split()]
    words += [w for name in ("noise", "replan_steps", "time_limit_s") for w in _option(request, name)]
    latency = request.get("latency")
    if isinstance(latency, list) and len(latency) == 3 and not any(latency[1:]):
        words += ["--latency", f"{latency[0]:g}"]
    if request.text("rule"):
        words += ["--rule", request.text("rule")]
    other = run.path / "against" / "eval.json"
    if "comparison" in content.mapping():
        words += ["--against", _checkpoint(content.text("against", "checkpoint")) or "OTHER"]
    elif "compare.json" in run.json:
        words += ["--against", _checkpoint(Content.read(other).text("checkpoint") if other.is_file() else "") or "OTHER"]
    commands = []
    for seeds in request.rows("seeds"):
        if not (isinstance(seeds, list) and len(seeds) == 2 and all(isinstance(s, int) for s in seeds)):
            raise ReportError(f"{request.name}.seeds: {seeds!r}, allowed is [first, last]")
        first, last = seeds
        split = ["--split", request.text("split")] if request.text("split") else []
        trials = ["--seed", str(first), "--trials", str(last - first + 1)]
        commands.append(shlex.join([*words, *split, *trials, "--out", str(run.path)]))
    return commands


def rows_commands(run: RunFolder, card_name: str) -> list[str]:
    """Of the episodes' file."""
    content = run.json.get("eval.json")
    of_trials = content is not None and len(content.rows("rows")) == len(run.episodes)
    if of_trials or run.bag is None:
        return eval_commands(run, card_name)
    return [shlex.join(["vla", "evidence", str(run.bag), "--out", str(run.path)])]


def ledger_command(run: RunFolder) -> str:
    """Of ledger.json."""
    source = str(run.bag) if run.bag else run.json["ledger.json"].text("source")
    given = ["--live"] if source == "live" else [source or "BAG"]
    return shlex.join(["vla", "ledger", *given, "--json", str(run.path / "ledger.json")])


def replay_command(run: RunFolder) -> str:
    """Of replay.json. Faults and gates are not in it."""
    content = run.json["replay.json"]
    words = ["vla", "replay", str(run.bag) if run.bag else content.text("bag") or "BAG"]
    checkpoints = [_checkpoint(content.text("policies", name, "checkpoint")) for name in content.mapping("policies")]
    words += ["--no-policy"] if not checkpoints else ["--checkpoint", checkpoints[0] or "CHECKPOINT"]
    words += ["--against", checkpoints[1] or "OTHER"] if len(checkpoints) > 1 else []
    return shlex.join([*words, "--out", str(run.path)])


def preflight_command(run: RunFolder, card_name: str) -> str:
    """Of preflight.json."""
    content = run.json["preflight.json"]
    words = ["vla", "card", "check", card_name or content.text("card") or "CARD"]
    source = content.text("source")
    words += ["--bag", str(run.bag)] if run.bag else ["--bag", source] if Path(source).exists() else ["--graph"]
    return shlex.join([*words, "--json", str(run.path / "preflight.json")])


def shipped_card(card_hash: str) -> str:
    """Name of the card of this hash that ships with the suite; empty: none of them."""
    from vla_bringup.names import NotShippedError, share
    from vla_contract.card import load_card

    try:
        folder = share("vla_bringup") / "cards"
    except NotShippedError:
        return ""
    return next((path.stem for path in sorted(folder.glob("*.yaml")) if load_card(path).card_hash == card_hash), "")


def _checkpoint(path: str) -> str:
    """One that ships with the suite by its name: that is how it is found on any machine."""
    return Path(path).stem if "share/vla_policy_node/checkpoints/" in path else path


def _option(request: Content, name: str) -> list[str]:
    value = request.number(name)
    flag = {"noise": "--noise", "replan_steps": "--replan-steps", "time_limit_s": "--time-limit"}[name]
    return [flag, f"{value:g}"] if value else []
