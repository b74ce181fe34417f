"""`vla checkpoint`: what a checkpoint was trained for, on what, and by which command; and the images that it keeps."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

HELP = "show what a checkpoint was trained for, and how"

if TYPE_CHECKING:
    import numpy as np

    from vla_policy.checkpoint import Checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla checkpoint`."""
    parser.add_argument("checkpoint", help="checkpoint name or file")
    parser.add_argument(
        "--images-from", nargs="+", type=Path, metavar="DEMOS",
        help="write small images of these demonstrations (folders of `vla demos`) into the file, in place of those that it "
        "has: `vla card check` compares cameras with them",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Prints the metadata as JSON.

    Raises CheckpointError for a file that is none, DemonstrationError or DatasetError for demonstrations that do not fit.
    """
    from vla_contract.printing import tell
    from vla_policy.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(args.checkpoint)
    if args.images_from:
        _replace_images(checkpoint, args.images_from)
        tell(f"{checkpoint.path}: images written", file=sys.stderr)
        checkpoint = read_checkpoint(checkpoint.path)
    tell(json.dumps(_shown(checkpoint), indent=2))
    return 0


def _shown(checkpoint: Checkpoint) -> dict:
    return {
        "file": checkpoint.path,
        "sha256": checkpoint.sha256,
        "model": checkpoint.model.to_dict(),
        "embodiments": [
            {
                "card": one.card_name,
                "policy_hash": one.policy_hash,
                "contract": one.contract,
                "horizon": one.horizon,
                "codec": one.codec_name,
                "images": {camera: len(images) for camera, images in one.images.items()},
            }
            for one in checkpoint.embodiments
        ],
        "training": checkpoint.training,
    }


def _replace_images(checkpoint: Checkpoint, folders: list[Path]) -> None:
    """Those of the embodiment that the demonstrations are of. Writes the file."""
    from vla_contract.demonstration import DatasetInfo
    from vla_policy.checkpoint import save_checkpoint
    from vla_policy.errors import DatasetError

    hashes = {DatasetInfo.load(folder).policy_hash for folder in folders}
    known = {one.policy_hash: i for i, one in enumerate(checkpoint.embodiments)}
    if len(hashes) != 1 or not hashes <= known.keys():
        raise DatasetError(
            f"--images-from {' '.join(map(str, folders))}: policy_hash {', '.join(sorted(hashes))}, allowed is one of "
            f"{', '.join(f'{one.policy_hash} ({one.card_name})' for one in checkpoint.embodiments)}"
        )
    which = known[hashes.pop()]
    one = checkpoint.embodiments[which]
    checkpoint.embodiments[which] = replace(one, images=_images_of(folders, list(one.cameras)))
    save_checkpoint(checkpoint, Path(checkpoint.path).resolve())


def _images_of(folders: list[Path], cameras: list[str]) -> dict[str, np.ndarray]:
    from vla_contract.demonstration import dataset_index
    from vla_policy.errors import DatasetError
    from vla_policy.training.reference_images import small_images

    images = small_images([path for folder in folders for path in dataset_index(folder)], cameras)
    missing = [camera for camera in cameras if camera not in images]
    if missing:
        where = " ".join(str(folder) for folder in folders)
        raise DatasetError(f"--images-from {where}: no images of camera {', '.join(missing)}, which the policy sees")
    return images
