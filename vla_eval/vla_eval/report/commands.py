"""Commands that make a file of a run folder again, from what the file itself says."""

from __future__ import annotations

import shlex
from pathlib import Path

from vla_eval.report.content import Content, ReportError
from vla_eval.report.folder import RunFolder

SHARED = ("share/vla_bringup/cards/", "share/vla_policy_node/checkpoints/")
MODELS = (".urdf", ".xml")
"""Suffixes by which a file given with --model is told from the words that replay.json else has in its place."""


def eval_commands(run: RunFolder, card_name: str) -> list[str]:
    """Of eval.json, from the request in it; empty where it holds none.

    Several commands where the seeds are not one range: each makes a part.
    """
    content = run.json.get("eval.json")
    request = content.inner("request") if content else None
    if content is None or request is None:
        return []
    words = ["vla", "eval", "--card", card_name or shipped_card(request.text("card_hash")) or "CARD"]
    words += ["--checkpoint", _shipped(content.text("checkpoint")) or "CHECKPOINT"]
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
        words += ["--against", _shipped(content.text("against", "checkpoint")) or "OTHER"]
    elif "compare.json" in run.json:
        words += ["--against", _shipped(Content.read(other).text("checkpoint") if other.is_file() else "") or "OTHER"]
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


def ledger_commands(run: RunFolder) -> list[str]:
    """Of ledger.json; empty where it does not say what was asked for."""
    asked = run.json["ledger.json"].inner("asked")
    if asked is None:
        return []
    words = ["vla", "ledger", "--live" if asked.get("live") is True else _bag(run, asked.text("bag"))]
    words += ["--once"] if asked.get("once") is True else []
    words += _given(asked, "card", "namespace")
    words += _whole(asked, "replan_steps")
    return [shlex.join([*words, "--json", str(run.path / "ledger.json")])]


def replay_commands(run: RunFolder) -> list[str]:
    """Of replay.json; empty where it names no bag, or faults and not how they were asked for.

    ``--instruction`` is not in it, nor is ``--card`` with a card that does not ship with the suite.
    """
    content = run.json["replay.json"]
    if not content.text("bag") or (content.mapping("faults") and content.get("faults_asked") is None):
        return []
    words = ["vla", "replay", _bag(run, content.text("bag"))]
    card = shipped_card(content.text("card_hash"))
    words += [*(["--card", card] if card else []), *_given(content, "namespace")]
    names = list(content.mapping("policies"))
    flags = ("--against",) if names == ["other"] else ("--checkpoint", "--against")
    for flag, name in zip(flags, names):
        words += [flag, _shipped(content.text("policies", name, "checkpoint")) or flag.strip("-").upper()]
    words += [] if names else ["--no-policy"]
    model = content.text("model")
    if model == "left out":
        words.append("--no-controller")
    elif Path(model).suffix in MODELS and " of the bag" not in model:
        words += ["--model", model]
    faults, gates = content.rows("faults_asked"), content.numbers("gates")
    words += ["--fault", *map(str, faults)] if faults else []
    words += ["--gate", *(f"{name}={bound}" for name, bound in gates.items())] if gates else []
    return [shlex.join([*words, *_whole(content, "seed", "threads"), "--out", str(run.path)])]


def preflight_commands(run: RunFolder) -> list[str]:
    """Of preflight.json; empty where it does not say what was asked for."""
    asked = run.json["preflight.json"].inner("asked")
    if asked is None:
        return []
    words = ["vla", "card", "check", _shipped(asked.text("card")) or "CARD"]
    words += ["--graph"] if asked.get("graph") is True else []
    words += ["--bag", _bag(run, asked.text("bag"))] if asked.get("bag") is not None else []
    words += _given(asked, "checkpoint", "reference", "namespace")
    seconds = asked.number("seconds")
    words += [] if seconds is None else ["--seconds", str(seconds)]
    return [shlex.join([*words, "--json", str(run.path / "preflight.json")])]


def shipped_card(card_hash: str) -> str:
    """Name of the card of this hash that ships with the suite; empty: none of them."""
    from vla_bringup.names import NotShippedError, share
    from vla_contract.card import load_card

    try:
        folder = share("vla_bringup") / "cards"
    except NotShippedError:
        return ""
    return next((path.stem for path in sorted(folder.glob("*.yaml")) if load_card(path).card_hash == card_hash), "")


def _bag(run: RunFolder, told: str) -> str:
    """The bag that a file names; where it is gone, and its name is that of the folder's own, it was moved with the folder."""
    moved = run.bag is not None and not Path(told).exists() and Path(told).name == run.bag.name
    return str(run.bag) if moved else told or "BAG"


def _shipped(path: str) -> str:
    """A card or checkpoint that ships with the suite by its name: that is how it is found on any machine."""
    return Path(path).stem if any(folder in path for folder in SHARED) else path


def _given(asked: Content, *names: str) -> list[str]:
    """Options of those that are not null."""
    return [word for name in names if asked.get(name) is not None for word in (f"--{name}", _shipped(asked.text(name)))]


def _whole(asked: Content, *names: str) -> list[str]:
    """Options of whole numbers."""
    told = {name: asked.number(name) for name in names}
    return [w for name, n in told.items() if isinstance(n, int) for w in (f"--{name.replace('_', '-')}", str(n))]


def _option(request: Content, name: str) -> list[str]:
    value = request.number(name)
    flag = {"noise": "--noise", "replan_steps": "--replan-steps", "time_limit_s": "--time-limit"}[name]
    return [flag, f"{value:g}"] if value else []
