"""`vla train`."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from pathlib import Path

from vla_contract.arguments import ArgumentMistake, Parser, number, whole
from vla_contract.camera_view import CameraView
from vla_contract.card import CardError, load_card
from vla_contract.demonstration import DemonstrationError
from vla_contract.files import FileError
from vla_contract.printing import tell
from vla_contract.shipped import NotShippedError, find_card
from vla_policy import errors

SECONDS = "VLA_TRAIN_SECONDS"
"""Environment variable that ends a training before its budget is used up: to try the commands of a page out."""
HELP = "train a policy on demonstrations"

USER_ERRORS = (
    CardError, NotShippedError, DemonstrationError, FileError, errors.DatasetError, errors.CheckpointError, errors.CodecError,
    errors.DeviceError, errors.EncoderError, errors.HeadError, errors.LanguageModelError, errors.PreprocessError,
    errors.TrainingError,
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla train`."""
    parser.add_argument(
        "--card", action="append", metavar="CARD",
        help="card name or file (default: panda_tabletop); repeated: one policy for several robots, each data set going to the "
        "card that it was recorded for",
    )  # fmt: skip
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
    parser.add_argument("--minutes", type=number(0, above=True, unit="min"), help="budget of time [min]")
    parser.add_argument("--steps", type=whole(1), help="budget of optimiser steps")
    parser.add_argument("--batch", type=whole(1), default=32, help="observations in a step")
    parser.add_argument("--learning-rate", type=number(0, above=True), default=8e-4, help="at its peak, after warming up")
    parser.add_argument(
        "--shift", type=whole(0, 111), nargs="+", default=[4, 2], metavar="PX",
        help="largest random shift of each camera, in card order [px of 112]; the last one holds for the rest (default 4 2)",
    )  # fmt: skip
    parser.add_argument("--light", type=number(0), default=0.15, help="strength of brightness jitter (0: none)")
    parser.add_argument("--state-noise", type=number(0), default=0.02, help="on the state [standard deviations]")
    parser.add_argument("--init", type=Path, help="checkpoint to start from; another head than its own starts fresh")
    parser.add_argument(
        "--freeze", action="append", default=[], metavar="PART",
        help="part of the model that stays as it is, such as vision or vision.front; may be repeated",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with the run in --work")
    parser.add_argument("--all-episodes", action="store_true", help="learn from demonstrations that failed, too")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", help="float32, or bfloat16 for the model's products (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="through torch.compile: slow to begin, faster on an accelerator")
    parser.add_argument(
        "--processes", "--threads", type=whole(1), help="cores of the CPU to use (default: 2; 1 on a device or compiled)"
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, help="of weights, order and augmentation")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code: 0; 2 for the user's mistake, told in one line; 130 when interrupted."""
    if args.minutes is None and args.steps is None:
        return _complain("--minutes or --steps is needed")
    try:
        return _train(args)
    except USER_ERRORS as error:
        return _complain(str(error))


def _train(args: argparse.Namespace) -> int:
    from vla_policy.native.device import find_device, find_dtype
    from vla_policy.native.heads.registry import parse_options
    from vla_policy.native.preprocess import model_words
    from vla_policy.training.augment import Augmentation
    from vla_policy.training.config import TrainConfig
    from vla_policy.training.mixture import Source, open_mixture
    from vla_policy.training.train import train

    find_device(args.device), find_dtype(args.dtype)  # told now, and not after the images have been decoded
    options = parse_options(args.head, args.head_option)
    config = TrainConfig(
        head=args.head, minutes=_minutes(args.minutes), steps=args.steps, batch=args.batch, learning_rate=args.learning_rate,
        augmentation=Augmentation(tuple(args.shift), args.light, args.state_noise), processes=args.processes, seed=args.seed,
        device=args.device, dtype=args.dtype, compiled=args.compile, freeze=tuple(args.freeze),
        model={"head_options": options} if options else {},
    )  # fmt: skip
    mixture = open_mixture(
        [Source.parse(text) for text in args.data], [load_card(find_card(card)) for card in args.card or ["panda_tabletop"]],
        only_successes=not args.all_episodes, validation_share=config.validation_share, seed=args.seed,
    )  # fmt: skip
    for part in mixture.parts:
        frames = part.frames
        counts = f"{len(frames.episodes)} episodes, {len(frames)} frames, {len(frames.instructions)} instructions"
        tell(f"{counts} of {frames.card.name}")
        for camera in frames.card.cameras:
            tell(f"camera {model_words(CameraView.of(camera))}")
    work = args.work or Path("out/train") / args.out.stem
    summary = train(
        mixture, config, work, args.out,
        command=shlex.join(["vla", "train", *_shown_arguments()]), sources=args.data, resume=args.resume, init=args.init,
    )  # fmt: skip
    tell(f"wrote {args.out} after {summary['steps']} steps, {summary['minutes']} min; log and curve in {work}")
    return 130 if summary["interrupted"] else 0


def _minutes(given: float | None) -> float | None:
    """The budget, no more than SECONDS allows. Raises TrainingError."""
    text = os.environ.get(SECONDS, "")
    if not text:
        return given
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise errors.TrainingError(f"{SECONDS} is {text!r}, allowed is a number above 0 [s]")
    tell(f"{SECONDS}: the training ends after {seconds:g} s")
    return min(seconds / 60, math.inf if given is None else given)


def _shown_arguments() -> list[str]:
    """The command line as the user gave it, after the verb."""
    words = sys.argv[1:]
    return words[1:] if words and words[0] == "train" else words


def _complain(message: str) -> int:
    tell(f"vla train: {message}", file=sys.stderr)
    return 2


def main() -> int:
    """`python -m vla_policy.verbs.train`."""
    parser = Parser(prog="vla train", description="Train the native policy on demonstrations.")
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except ArgumentMistake as error:
        return _complain(str(error))


if __name__ == "__main__":
    sys.exit(main())
