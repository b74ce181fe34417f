"""Options of verbs that run trials in lockstep: how chunks follow each other."""

from __future__ import annotations

import argparse
import sys

from vla_contract.arguments import whole
from vla_contract.printing import tell


def add_stitching(parser: argparse.ArgumentParser) -> None:
    """--strategy and --committed-steps, as the launch arguments of the graph."""
    from vla_trials.lockstep.stitching import DEFAULT_STRATEGY, NAMES

    parser.add_argument(
        "--strategy", choices=NAMES, default=DEFAULT_STRATEGY, help="how the controller stitches chunks (default: %(default)s)"
    )
    parser.add_argument(
        "--committed-steps", type=whole(0), default=0,
        help="first steps of a chunk that repeat the chunk under way, for committed_prefix (default: %(default)s, none)",
    )  # fmt: skip


def tell_stitching(args: argparse.Namespace) -> None:
    """A line on stderr where the two are of little use together; the graph takes them, so trials do."""
    from vla_trials.lockstep.stitching import remark

    if words := remark(args.strategy, args.committed_steps):
        tell(f"note: {words}", file=sys.stderr, flush=True)
