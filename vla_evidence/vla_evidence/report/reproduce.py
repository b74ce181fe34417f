"""How to get a number again: the command that the file itself keeps, and what has changed since it was run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vla_contract.card import load_card
from vla_contract.command import Command
from vla_contract.policy_spec import find_policy
from vla_contract.shipped import find_card
from vla_evidence.provenance.checkpoint import EXPERT, checkpoint_hash
from vla_evidence.provenance.suite import suite
from vla_evidence.report.folder import RunFolder
from vla_evidence.report.words import plural


@dataclass(frozen=True)
class Again:
    """Attributes: commands, for a shell; said, sentences without their full stop that a reader of them must know."""

    commands: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def stored(name: str, command: Command | None, *said: str) -> Again:
    """Of a file that keeps its command. name: of the file."""
    if command is None:
        return Again(said=(f"{name} does not say which command made it: an older suite or another program wrote it", *said))
    return Again((command.text,), (f"in the folder {command.folder}", *said))


def of_ledger(run: RunFolder) -> Again:
    """Of ledger.json."""
    ledger = run.ledger
    bag = () if ledger.source == "live" else _bag(run, ledger.source, ledger.command)
    return stored("ledger.json", ledger.command, *bag)


def of_replay(run: RunFolder) -> Again:
    """Of replay.json."""
    return stored("replay.json", run.replay.command, *_bag(run, run.replay.bag, run.replay.command))


def of_preflight(run: RunFolder) -> Again:
    """Of preflight.json."""
    return stored("preflight.json", run.preflight.command)


def of_rows(run: RunFolder) -> Again:
    """Of the episodes: the trials of eval.json, or the bag that evidence.json names."""
    trials = run.evaluation
    if trials is not None and (run.bag is None or len(trials.rows) == len(run.episodes)):
        return of_trials(run)
    if run.evidence is None:
        return stored("evidence.json", None) if run.bag is not None else Again()
    return stored("evidence.json", run.evidence.command, *_bag(run, run.evidence.bag, run.evidence.command))


def of_trials(run: RunFolder) -> Again:
    """Of eval.json; empty without it."""
    trials = run.evaluation
    if trials is None:
        return Again()
    request, said = trials.request, []
    said += _changed("card", request.card, request.card_hash, lambda given: load_card(find_card(given)).card_hash)
    if request.checkpoint_hash != EXPERT:
        hashed = lambda given: checkpoint_hash(str(find_policy(given)))  # noqa: E731
        said += _changed("checkpoint", trials.checkpoint, request.checkpoint_hash, hashed)
    if trials.command is not None and "--out" in trials.command.argv:
        said.append("the folder of --out keeps its trials: with another one they are run again")
    changed = run.relabelled + (run.second.relabelled if run.second and trials.command is not None else 0)
    if changed:
        verb = "is" if changed == 1 else "are"
        said.append(f"{plural(changed, 'outcome')} {verb} an operator's word in labels.jsonl; the command does not give it again")
    suites = set(trials.suites) or {request.suite} - {""}
    if suites - {suite()}:
        said.append(f"the trials were run with suite {', '.join(sorted(suites))}; this one is {suite()}, and may give other rows")
    return stored("eval.json", trials.command, *said)


def _changed(what: str, given: str, wanted: str, hash_of) -> list[str]:
    """That a file is not there now, or is another one than it was."""
    if not given:
        return [f"the {what} was that of hash {wanted}"]
    try:
        now = hash_of(given)
    except (ValueError, OSError):
        return [f"{given} is not there now; it was the {what} of hash {wanted}"]
    return [] if now == wanted else [f"{given} is another {what} now; it was that of hash {wanted}"]


def _bag(run: RunFolder, named: str, command: Command | None) -> list[str]:
    """That the bag a file names is gone; where one of its name lies in the folder, it was moved with it."""
    if (Path(command.folder if command else ".") / named).exists():
        return []
    moved = run.bag is not None and run.bag.name == Path(named).name
    return [f"{named} is not there now" + (f"; {run.bag} has its name" if moved else "")]
