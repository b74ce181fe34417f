"""`vla checkpoint`: what a checkpoint was trained for, on what, and by which command; and the pictures that it keeps."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla checkpoint`."""
    parser.add_argument("checkpoint", help="checkpoint name or file")
    parser.add_argument(
        "--pictures-from", nargs="+", type=Path, metavar="DEMOS",
        help="write small pictures of these demonstrations (folders of `vla demos`) into the file, in place of those that it "
        "has: `vla card check` compares cameras with them",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the metadata as JSON.

    Raises CheckpointError for a file that is none, DemonstrationError or DatasetError for demonstrations that do not fit.
    """
    from vla_policy_node.checkpoint import read_checkpoint, save_checkpoint

    checkpoint = read_checkpoint(args.checkpoint)
    if args.pictures_from:
        cameras = [camera["name"] for camera in checkpoint.contract["cameras"]]
        checkpoint.pictures = _pictures_of(args.pictures_from, cameras)
        save_checkpoint(checkpoint, Path(checkpoint.path).resolve())
        print(f"{checkpoint.path}: pictures written", file=sys.stderr)
        checkpoint = read_checkpoint(checkpoint.path)
    print(
        json.dumps(
            {
                "file": checkpoint.path,
                "sha256": checkpoint.sha256,
                "card": checkpoint.card_name,
                "policy_hash": checkpoint.policy_hash,
                "contract": checkpoint.contract,
                "model": checkpoint.model.to_dict(),
                "training": checkpoint.training,
                "pictures": {camera: len(pictures) for camera, pictures in checkpoint.pictures.items()},
            },
            indent=2,
        )
    )
    return 0


def _pictures_of(folders: list[Path], cameras: list[str]) -> dict[str, np.ndarray]:
    from vla_contract.demonstration import dataset_index
    from vla_policy_node.errors import DatasetError
    from vla_policy_node.pictures import small_pictures

    pictures = small_pictures([path for folder in folders for path in dataset_index(folder)], cameras)
    missing = [camera for camera in cameras if camera not in pictures]
    if missing:
        where = " ".join(str(folder) for folder in folders)
        raise DatasetError(f"--pictures-from {where}: no pictures of camera {', '.join(missing)}, which the policy sees")
    return pictures
