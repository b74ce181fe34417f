"""`vla figures`: write the README's figures from the results in out/."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--readme", type=Path, default=Path("README.md"), help="file to write into (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of results (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from vla_eval.figures import write_section

    write_section(args.readme, args.out)
    print(f"{args.readme}: figures written from {args.out}")
    return 0
