"""Commands that make a file of a run folder again, from what the file itself says."""

from __future__ import annotations

import shlex
from pathlib import Path

from vla_eval.report.content import Content, ReportError
from vla_eval.report.folder import COMPARISON, RunFolder
from vla_eval.report.words import plural
from vla_eval.trials.request import EXPERT, checkpoint_hash
from vla_eval.trials.suite import suite

SHARED = ("share/vla_bringup/cards/", "share/vla_policy_node/checkpoints/")
MODELS = (".urdf", ".xml")
"""Suffixes by which a file given with --model is told from the words that replay.json else has in its place."""


def eval_commands(run: RunFolder) -> tuple[list[str], list[str]]:
    """Of eval.json, from the request in it, and what has to be said of them; empty where it holds none.

    Several commands where the seeds are not one range: each makes a part. None has an ``--out``: into the folder that the
    trials are in already it would run none of them.
    """
    content = run.json.get("eval.json")
    request = content.inner("request") if content else None
    if content is None or request is None:
        return [], []
    card, *said = _named("CARD", request.text("card"), request.text("card_hash"))
    checkpoint, *told = _named("CHECKPOINT", content.text("checkpoint"), request.text("checkpoint_hash"))
    words, said = ["vla", "eval", "--card", card, "--checkpoint", checkpoint], said + told
    words += ["--task", *(str(task) for task in request.rows("tasks"))]
    if content.text("setup") not in ("", "standard"):
        words += ["--setup", content.text("setup")]
    if content.text("perturbation"):
        words += ["--perturb", *content.text("perturbation").split()]
    words += [w for name in ("noise", "replan_steps", "time_limit_s") for w in _option(request, name)]
    latency = request.get("latency")
    if isinstance(latency, list) and len(latency) == 3 and not any(latency[1:]):
        words += ["--latency", repr(latency[0])]
    if request.text("rule"):
        words += ["--rule", request.text("rule")]
    if COMPARISON in run.json or "comparison" in content.mapping():
        there = run.second.json.get("eval.json") if run.second else None
        there = there or content.inner("against") or Content(content.name, {})
        other, *told = _named("OTHER", there.text("checkpoint"), there.text("request", "checkpoint_hash"))
        words, said = [*words, "--against", other], said + told
    commands = []
    for seeds in request.rows("seeds"):
        if not (isinstance(seeds, list) and len(seeds) == 2 and all(isinstance(s, int) for s in seeds)):
            raise ReportError(f"{request.name}.seeds: {seeds!r}, allowed is [first, last]")
        first, last = seeds
        split = ["--split", request.text("split")] if request.text("split") else []
        trials = ["--seed", str(first), "--trials", str(last - first + 1)]
        commands.append(shlex.join([*words, *split, *trials]))
    changed = run.relabelled + (run.second.relabelled if run.second and "--against" in words else 0)
    if commands and changed:
        verb = "is" if changed == 1 else "are"
        said.append(f"{plural(changed, 'outcome')} {verb} an operator's word in labels.jsonl; the command does not give it again")
    suites = set(content.mapping("suites")) or {request.text("suite")} - {""}
    if commands and suites - {suite()}:
        said.append(f"the trials were run with suite {', '.join(sorted(suites))}; this one is {suite()}, and may give other rows")
    return commands, said


def rows_commands(run: RunFolder) -> tuple[list[str], list[str]]:
    """Of the episodes' file, and what has to be said of them."""
    content = run.json.get("eval.json")
    of_trials = content is not None and len(content.rows("rows")) == len(run.episodes)
    if of_trials or run.bag is None:
        return eval_commands(run)
    return [shlex.join(["vla", "evidence", str(run.bag), "--out", str(run.path)])], []


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

    ``--card`` is not in it where the bag's own was taken, and does not ship with the suite.
    """
    content = run.json["replay.json"]
    if not content.text("bag") or (content.mapping("faults") and content.get("faults_asked") is None):
        return []
    words = ["vla", "replay", _bag(run, content.text("bag"))]
    card = shipped_card(content.text("card_hash")) or content.text("card_asked")
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
    words += ["--instruction", content.text("instruction")] if content.text("instruction") else []
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


def _named(kind: str, given: str, wanted: str) -> list[str]:
    """A card or checkpoint as a word of a command, and a sentence on it where one is needed.

    Args:
        kind: CARD, CHECKPOINT or OTHER; the word where nothing that is there is the one.
        given: Path or name that the trials were asked for with; empty: not kept.
        wanted: Its hash; empty: not kept.
    """
    if wanted in ("", EXPERT):
        return [wanted or _shipped(given) or kind]
    if kind == "CARD" and (name := shipped_card(wanted)):
        return [name]
    short, what = _shipped(given), "card" if kind == "CARD" else "checkpoint"
    now = _hash_now(kind, short) if given else ""
    if now == wanted:
        return [short] if short != given else [given, f"{given} is the {what} of hash {wanted}"]
    if given and not now:
        return [given, f"{given} is not there now; it was the {what} of hash {wanted}"]
    return [kind, f"{kind} stands for the {what} of hash {wanted}" + (f"; {short} is another one now" if given else "")]


def _hash_now(kind: str, given: str) -> str:
    """Of what has this name or path now; empty where there is none that can be read."""
    from vla_bringup.names import find_card, find_checkpoint
    from vla_contract.card import load_card

    try:
        return load_card(find_card(given)).card_hash if kind == "CARD" else checkpoint_hash(str(find_checkpoint(given)))
    except (ValueError, OSError):
        return ""


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
    return [flag, repr(value)] if value else []
