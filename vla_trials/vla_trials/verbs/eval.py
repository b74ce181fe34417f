"""`vla eval`: closed-loop trials in lockstep."""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path

from vla_contract.arguments import number, whole
from vla_contract.files import own_folder, write_text
from vla_contract.printing import tell
from vla_sim.tasks import TASK_NAMES
from vla_trials.lockstep.options import add_stitching, tell_stitching

HELP = "closed-loop trials in lockstep, with success rate and interval"

MOST_LATENCY_S = 60.0
MOST_SEED = 2**31 - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from vla_trials.lockstep.setups import SETUPS, STANDARD
    from vla_trials.trials.perturbations import help_text
    from vla_trials.trials.splits import SPLITS

    parser.add_argument("--card", default="panda_tabletop", help="card name or file (default: %(default)s)")
    parser.add_argument(
        "--checkpoint", default="panda_tabletop",
        help="checkpoint name or file, NAME:REST of an entry point, or 'expert' (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--against", help="a second checkpoint, NAME:REST of an entry point, or 'expert': compare both on the same seeds"
    )
    parser.add_argument(
        "--task", default=["pick"], nargs="+", choices=TASK_NAMES, help="one task or several (default: pick)"
    )
    parser.add_argument(
        "--trials", type=whole(1), default=100, help="number of trials of each task (default: %(default)s)"
    )
    parser.add_argument(
        "--split",
        choices=tuple(SPLITS),
        help="; ".join(f"{name}: {s.help}, {s.seeds.start} to {s.seeds.stop - 1}" for name, s in SPLITS.items()),
    )
    parser.add_argument("--seed", type=int, help="seed of the first trial (default: the split's first, or 50000)")
    parser.add_argument(
        "--perturb", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help=help_text().replace("%", "%%")
    )
    parser.add_argument(
        "--setup",
        choices=SETUPS,
        default=STANDARD,
        help="simulated setup; 'other' has other dynamics and another renderer setting (default: %(default)s)",
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="white noise on each translation step of the policy [m], to make it worse",
    )
    parser.add_argument("--engine", choices=("process", "ray"), default="process", help="default: %(default)s")
    parser.add_argument(
        "--jobs", type=whole(1), default=os.cpu_count(), help="processes (default: one a core, %(default)s)"
    )
    parser.add_argument(
        "--replan-steps", type=whole(1), default=4, help="steps between two decisions (default: %(default)s)"
    )
    add_stitching(parser)
    parser.add_argument(
        "--latency",
        type=float,
        help=f"constant latency from camera stamp to chunk, up to {MOST_LATENCY_S:g} [s], instead of drawn ones",
    )
    parser.add_argument("--time-limit", type=float, help="of a trial, instead of the card's [s]")
    parser.add_argument(
        "--rule",
        choices=("legacy", "splice"),
        help="replacement rule of the trajectory controller (default: the card's)",
    )
    parser.add_argument(
        "--effect", type=number(0, 1, above=True), default=0.1, help="with --against: difference to see (default: 0.1)"
    )
    parser.add_argument(
        "--discordance",
        type=number(0, 1, above=True),
        default=0.3,
        help="with --against: share of seeds on which exactly one succeeds, assumed beforehand (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path,
        help="run folder: finished trials are kept there at once; the same command resumes, more --trials or tasks go on",
    )
    parser.add_argument(
        "--from", dest="others", nargs="+", action="extend", default=[], type=Path, metavar="DIR",
        help="with --out: take over the trials of these run folders first, as of shards; what is still missing is run",
    )  # fmt: skip
    parser.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="K/N",
        help="only the K-th of N parts of the seeds, as one of N computers, each with its own --out; --from puts them together",
    )  # fmt: skip
    parser.add_argument(
        "--no-inferences",
        dest="inferences",
        action="store_false",
        help="keep no rows of the inferences in the run folder; they take about 1 kB each",
    )
    parser.add_argument(
        "--mix-suites",
        action="store_true",
        help="go on in a run folder that another version of the suite began; each trial says which suite ran it",
    )
    parser.add_argument("--json", type=Path, help="write figures and a row for each trial to this file")


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r}, allowed is K/N with K from 1 to N, as 2/4")
    return int(part), int(parts)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from vla_evidence.statistics.paired import plan
    from vla_trials.trials.evaluate import check_request

    request = request_of(args)
    tell_stitching(args)
    if args.against is None:
        figures = _one(request, args, args.out, args.others)
    else:
        beforehand = plan(args.effect, args.discordance, len(request.trials))
        tell(
            f"to see a difference of {args.effect:.0%} (alpha 0.05, power 80 %, {args.discordance:.0%} of seeds assumed "
            f"discordant): {beforehand['trials_needed']} trials of each policy; "
            f"the {beforehand['trials_asked']} asked for see it with probability {beforehand['power_asked']:.0%}",
            flush=True,
        )
        second = replace(request, checkpoint=str(args.against))
        for each in (request, second):
            check_request(each)
        figures = _compare(request, second, args, beforehand)
    if args.json:
        write_text(args.json, json.dumps(figures, indent=2) + "\n")
    return 0


def request_of(args: argparse.Namespace):
    """The request that the words of the command are. Raises TrialsError where they cannot be one."""
    from vla_trials.lockstep.latency import LatencyModel
    from vla_trials.trials.errors import TrialsError
    from vla_trials.trials.perturbations import parse
    from vla_trials.trials.request import EvalRequest
    from vla_trials.trials.splits import SPLITS, seeds_of

    if args.time_limit is not None and not 0.0 < args.time_limit < math.inf:
        raise TrialsError(f"--time-limit {args.time_limit}: allowed is above 0 and finite [s]")
    if args.latency is not None and not 0.0 <= args.latency <= MOST_LATENCY_S:
        raise TrialsError(f"--latency {args.latency}: allowed are 0 to {MOST_LATENCY_S:g} [s]")
    if args.seed is not None and not 0 <= args.seed <= MOST_SEED - args.trials:
        raise TrialsError(f"--seed {args.seed}: allowed are 0 to {MOST_SEED - args.trials} with {args.trials} trials")
    if args.others and not args.out:
        raise TrialsError("--from goes with --out, the folder that the trials are taken over into")
    if args.split:
        seeds = seeds_of(args.split, args.seed, args.trials)
    else:
        first = SPLITS["held_out"].seeds.start if args.seed is None else args.seed
        seeds = tuple(range(first, first + args.trials))
    part, parts = args.shard
    if parts > len(seeds):
        raise TrialsError(f"--shard {part}/{parts}: there are {len(seeds)} seeds, allowed are up to as many parts")
    seeds = seeds[len(seeds) * (part - 1) // parts : len(seeds) * part // parts]
    return EvalRequest(
        card_path=str(args.card),
        checkpoint=str(args.checkpoint),
        tasks=tuple(args.task),
        seeds=seeds,
        replan_steps=args.replan_steps,
        strategy=args.strategy,
        committed_steps=args.committed_steps,
        latency=LatencyModel() if args.latency is None else LatencyModel(args.latency, 0.0, 0.0),
        rule=args.rule,
        perturbations=parse(args.perturb),
        split=args.split or "",
        setup=args.setup,
        noise=args.noise,
        time_limit_s=args.time_limit,
    )


def _one(request, args: argparse.Namespace, out: Path | None, others: list[Path]) -> dict:
    from vla_contract.command import command_json
    from vla_trials.trials.evaluate import evaluate
    from vla_trials.trials.words import describe

    figures = evaluate(
        request, jobs=args.jobs, engine=args.engine, out=out, inferences=args.inferences, mix_suites=args.mix_suites,
        others=others,
    )  # fmt: skip
    figures["command"] = command_json()
    tell("\n".join(describe(figures)), flush=True)
    without = figures.get("without_inferences")
    if args.inferences and without:
        tell(f"  trials without rows of their inferences in {out}: {without}", flush=True)
    if out:
        from vla_trials.trials.output import write_run

        write_run(out, request, figures)
    return figures


def _compare(first, second, args: argparse.Namespace, beforehand: dict) -> dict:
    from vla_contract.command import command_json
    from vla_evidence.statistics.paired import compare, pair

    summaries = [
        _one(first, args, args.out, args.others),
        _one(second, args, own_folder(args.out, "against") if args.out else None, [o / "against" for o in args.others]),
    ]
    outcomes = [{(row["task"], row["seed"]): row["success"] for row in s["rows"]} for s in summaries]
    names = tuple(s["policy"] for s in summaries)
    if names[0] == names[1]:
        names = tuple(str(request.checkpoint) for request in (first, second))
    if names[0] == names[1]:
        names = tuple(f"{name} ({which})" for name, which in zip(names, ("first", "second")))
    result = {"planned": beforehand, **compare(pair(*outcomes), names), "command": command_json()}
    low, high = result["interval"]
    tell(
        f"{names[0]} less {names[1]}: {result['difference']:+.1%} (95 % {low:+.1%} to {high:+.1%}, paired Newcombe), "
        f"{result['discordant']} of {result['pairs']} pairs discordant ({result['only_first']} to {result['only_second']}), "
        f"McNemar exact p = {result['mcnemar_exact_p']:.3g}: {result['verdict']}"
    )
    if args.out:
        write_text(args.out / "compare.json", json.dumps(result, indent=2) + "\n")
    return {**summaries[0], "against": summaries[1], "comparison": result}
