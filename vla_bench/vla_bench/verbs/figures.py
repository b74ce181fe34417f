"""`vla figures`: write the figures of README.md and docs/figures.md from the results in out/."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write the figures of README.md and docs/figures.md from the results in out/"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--readme", type=Path, default=Path("README.md"), help="file that gets the five headline figures (default: %(default)s)"
    )
    parser.add_argument(
        "--page", type=Path, default=Path("docs/figures.md"), help="file that gets all of them (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of results (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    from vla_bench.headline import write_figures

    write_figures(args.readme, args.page, args.out)
    print(f"{args.readme}, {args.page}: figures written from {args.out}")
    return 0
