"""`vla checkpoint`: what a checkpoint was trained for, on what, and by which command."""

from __future__ import annotations

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla checkpoint`."""
    parser.add_argument("checkpoint", help="checkpoint name or file")


def run(args: argparse.Namespace) -> int:
    """Prints the metadata as JSON. Raises CheckpointError for a file that is none."""
    from vla_policy_node.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(args.checkpoint)
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
            },
            indent=2,
        )
    )
    return 0
