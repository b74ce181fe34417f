"""`vla train`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from vla_contract.card import CardError, load_card
from vla_contract.demonstration import DemonstrationError
from vla_policy_node.errors import CheckpointError, DatasetError, LanguageModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla train`."""
    parser.add_argument(
        "--card", type=Path, default="panda_tabletop", help="card name or file (default: %(default)s)"
    )
    parser.add_argument(
        "--data", required=True, action="append", metavar="FOLDER[:WEIGHT]",
        help="demonstrations; may be repeated. WEIGHT: how often its frames are drawn (default 1)",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, help="checkpoint to write (.safetensors)")
    parser.add_argument(
        "--work", type=Path, help="folder of log, loss curve and resumable state (default out/train/NAME)"
    )
    # Which heads there are is asked of the registry when the verb runs: reading it takes PyTorch, and that takes seconds.
    parser.add_argument("--head", default="regression", metavar="NAME", help="action head (default: %(default)s)")
    parser.add_argument(
        "--head-option", action="append", default=[], metavar="KEY=VALUE",
        help="an option of the head, such as hidden=512; may be repeated. A wrong one lists those there are",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, help="budget of time [min]")
    parser.add_argument("--steps", type=int, help="budget of optimiser steps")
    parser.add_argument("--batch", type=int, default=32, help="observations in a step")
    parser.add_argument("--learning-rate", type=float, default=8e-4, help="at its peak, after warming up")
    parser.add_argument(
        "--shift", type=int, nargs="+", default=[4, 2], metavar="PX",
        help="largest random shift of each camera, in card order [px of 112]; the last one holds for the rest (default 4 2)",
    )  # fmt: skip
    parser.add_argument("--light", type=float, default=0.15, help="strength of brightness jitter (0: none)")
    parser.add_argument("--state-noise", type=float, default=0.02, help="on the state [standard deviations]")
    parser.add_argument("--init", type=Path, help="checkpoint to start from; another head than its own starts fresh")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --work")
    parser.add_argument("--all-episodes", action="store_true", help="learn from demonstrations that failed, too")
    parser.add_argument("--processes", "--threads", type=int, default=2, help="cores of the CPU to use")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code: 0; 2 for the user's mistake, told in one line; 130 when interrupted."""
    if args.minutes is None and args.steps is None:
        return _complain("--minutes or --steps is needed")
    for name in ("minutes", "steps"):
        value = getattr(args, name)
        if value is not None and value <= 0:
            return _complain(f"--{name} is {value}, allowed is above 0")
    try:
        card = load_card(args.card)
    except CardError as error:
        return _complain(str(error))
    from vla_policy_node.augment import Augmentation
    from vla_policy_node.data import Source, load_frames
    from vla_policy_node.model.heads import HeadError, parse_options
    from vla_policy_node.train import TrainConfig, train

    try:
        options = parse_options(args.head, args.head_option)
        sources = [Source.parse(text) for text in args.data]
        frames = load_frames(sources, card, only_successes=not args.all_episodes)
        config = TrainConfig(
            head=args.head, minutes=args.minutes, steps=args.steps, batch=args.batch, learning_rate=args.learning_rate,
            augmentation=Augmentation(tuple(args.shift), args.light, args.state_noise), processes=args.processes, seed=args.seed,
            model={"head_options": options} if options else {},
        )  # fmt: skip
        work = args.work or Path("out/train") / args.out.stem
        print(
            f"{len(frames.episode_paths)} episodes, {len(frames.state)} frames, {len(frames.instructions)} instructions"
        )
        summary = train(
            frames, card, config, work, args.out,
            command=shlex.join(["vla", "train", *_shown_arguments()]), sources=args.data, resume=args.resume, init=args.init,
        )  # fmt: skip
    except (DemonstrationError, DatasetError, CheckpointError, LanguageModelError, HeadError) as error:
        return _complain(str(error))
    print(f"wrote {args.out} after {summary['steps']} steps, {summary['minutes']} min; log and curve in {work}")
    return 130 if summary["interrupted"] else 0


def _shown_arguments() -> list[str]:
    """The command line as the user gave it, after the verb."""
    words = sys.argv[1:]
    return words[1:] if words and words[0] == "train" else words


def _complain(message: str) -> int:
    print(f"vla train: {message}", file=sys.stderr)
    return 2


def main() -> int:
    """`python -m vla_policy_node.cli_train`."""
    parser = argparse.ArgumentParser(prog="vla train", description="Train the native policy on demonstrations.")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
