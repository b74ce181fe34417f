"""`vla report`: a run folder as one HTML file that needs no network."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vla_eval.report.content import ReportError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla report`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="run folder: bag/, episodes.jsonl, ledger.json, eval.json, ...")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--against", type=Path, metavar="DIR2", help="a second run folder, compared seed by seed")
    parser.add_argument(
        "--max-frames", type=_count, default=12, metavar="N", help="failed episodes shown with pictures (default: %(default)s)"
    )


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value}, allowed are 0 and above")
    return value


def run(args: argparse.Namespace) -> int:
    """Writes the page, whole or not at all. Raises what `make_report` raises."""
    from vla_eval.report.report import make_report

    out = args.out or args.folder / "report.html"
    if out.is_dir():
        raise ReportError(f"{out}: a folder; --out is a file")
    page = make_report(args.folder, against=args.against, max_frames=args.max_frames)
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}.new")
    fresh.write_text(page, encoding="utf-8")
    os.replace(fresh, out)
    print(f"{out} ({len(page.encode()) / 1e6:.1f} MB)")
    return 0
