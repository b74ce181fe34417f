"""A verb is a module with HELP, add_arguments and run: `vla lengths out/demos/pick`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

HELP = "how long the episodes of demonstrations are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla lengths`."""
    parser.add_argument("folder", type=Path, help="a folder of `vla demos`")


def run(args: argparse.Namespace) -> int:
    """Returns the exit code. Errors of the suite, and your own, reach the user as one line."""
    from vla_contract.demonstration import Demonstration, dataset_index  # here: `vla --help` imports every verb

    frames = [len(Demonstration.load(path, with_images=False)) for path in dataset_index(args.folder)]
    if not frames:
        print(f"{args.folder}: no episodes")
        return 1
    print(f"{len(frames)} episodes, {min(frames)} to {max(frames)} frames, median {np.median(frames):g}")
    return 0
