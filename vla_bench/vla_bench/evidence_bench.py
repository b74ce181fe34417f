"""The evidence parts of `vla bench`: ledger of a recorded run, kills, preflight, replay, packed images, trials an hour."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

PARTS = ("ledger", "kills", "preflight", "replay", "packing", "trials")
KILLS = 25  # of the recorder, and as many of `vla eval`
TRIALS = 200
REPLAYED_S = 600.0
_RECORDED_TRIALS, _LIMIT_S = 4, 12.0


def measure_part(part: str, card: str, checkpoint: str, out: Path, console: Console, *, factor: int = 1) -> dict:
    """Figures of one part, under the keys of results.json: evidence, preflight, replay or eval.

    factor: so many times the clean runs of the preflight. KeyError for a part that does not exist.
    """
    measure = {
        "ledger": lambda: {"evidence": recorded_ledger(card, checkpoint, out, console)},
        "kills": lambda: {"evidence": kills(card, console)},
        "preflight": lambda: {"preflight": _preflight(card, checkpoint, factor, console)},
        "replay": lambda: {"replay": _replay(card, checkpoint, out)},
        "packing": lambda: {"evidence": {"packing": _packing(card, checkpoint, out)}},
        "trials": lambda: {"eval": _trials(card, checkpoint, console)},
    }
    return measure[part]()


def recorded_ledger(card_path: str, checkpoint: str, out: Path, console: Console) -> dict:
    """Pick trials through the graph, recorded; what share of the chunks the ledger of the bag accounts for.

    Returns:
        ledger_share; chunks; rows: chunks with all parts; identity_ns: the largest distance between a row's parts and its
        whole [ns]. The bag stays in out/evidence_bag.
    """
    from vla_bags.reader import Bag
    from vla_contract.card import load_card
    from vla_evidence.ledger.ledger import build_ledger
    from vla_graph.domains import free_domain
    from vla_graph.process import GraphProcess
    from vla_trials.graph.trials import run_trials

    path = out / "evidence_bag"
    shutil.rmtree(path, ignore_errors=True)
    arguments = {
        "card": card_path, "checkpoint": checkpoint, "task": "pick", "seed": 2000, "use_sim_time": "false",
        "record": "true", "record_to": path.absolute(),
    }  # fmt: skip
    seeds = range(2000, 2000 + _RECORDED_TRIALS)
    with GraphProcess(arguments, out / "evidence_graph.log", free_domain()) as graph:
        run_trials(graph, load_card(card_path), "pick", seeds, _LIMIT_S, console, film=False)
    with Bag(path) as bag:
        overall = build_ledger(bag).as_dict()["overall"]
    return {
        "ledger_share": overall["ledger_share"],
        "chunks": overall["sent"],
        "rows": overall["identity"]["rows"],
        "identity_ns": overall["identity"]["largest_error_ns"],
    }


def kills(card_path: str, console: Console) -> dict:
    """SIGKILL to the recorder and to `vla eval` at random moments.

    Returns:
        kills; lost: bags and files that could not be read, bags without the card's and the policy's metadata, messages and
        trials that had been finished and were gone, what was counted twice or invented, and runs of which processes lived
        on; the two parts in full.
    """
    from vla_bench.kills.recorder import kill_recorder
    from vla_bench.kills.trials import kill_eval

    recorder = kill_recorder(KILLS, 0, Path(card_path))
    console.print(f"recorder: {recorder}", markup=False)
    trials = kill_eval(KILLS, 0, card=card_path, progress=console.print)
    wrong = ("unreadable", "without_metadata", "lost", "invented", "duplicates", "different", "orphans")
    return {
        "kills": recorder["kills"] + trials["kills"],
        "lost": sum(part.get(key, 0) for part in (recorder, trials) for key in wrong),
        "recorder_kills": recorder,
        "eval_kills": trials,
    }


def _preflight(card: str, checkpoint: str, factor: int, console: Console) -> dict:
    from vla_bench.preflight.bench import preflight_bench

    return preflight_bench(card, checkpoint, clean=20 * factor, progress=console.print)


def check_replay_space(card_path: str | Path, out: Path) -> None:
    """Raises ReplayError where the disk of `out` has no room for the bag of the replay part."""
    from vla_bench.speed.replay import check_space
    from vla_contract.card import load_card

    check_space(out, load_card(card_path), REPLAYED_S)


def _replay(card_path: str, checkpoint: str, out: Path) -> dict:
    from vla_bench.speed.replay import replay_bench
    from vla_contract.card import load_card
    from vla_controller.ros.description import models_from_text
    from vla_replay.offline.inputs import load_policies
    from vla_sim.urdf import robot_urdf

    card = load_card(card_path)
    policy = load_policies(card, {"policy": checkpoint})["policy"]
    return replay_bench(REPLAYED_S, card_path, policy=policy, models=models_from_text(robot_urdf(), card), folder=out)


def _packing(card: str, checkpoint: str, out: Path) -> dict:
    from vla_bench.packing.bench import NOISE, packing_bench

    return {
        name: packing_bench(card, checkpoint, noise=noise, folder=out) for name, noise in (("drawn", 0.0), ("noisy", NOISE))
    }


def _trials(card: str, checkpoint: str, console: Console) -> dict:
    from vla_bench.speed.trials import speed_bench

    return speed_bench(card, checkpoint, TRIALS, progress=console.print)
