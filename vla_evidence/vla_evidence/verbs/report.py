"""`vla report`: a run folder as one HTML file that needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path

from vla_contract.arguments import whole
from vla_evidence.report.errors import ReportError

HELP = "a run folder as one HTML file that needs no network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `vla report`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="run folder: bag/, episodes.jsonl, ledger.json, eval.json, ...")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--against", type=Path, metavar="DIR2", help="a second run folder, compared seed by seed")
    parser.add_argument(
        "--max-frames", type=whole(0), default=12, metavar="N", help="failed episodes shown with images (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page, whole or not at all. Raises what `make_report` raises."""
    from vla_contract.files import write_text
    from vla_contract.printing import tell
    from vla_evidence.report.report import make_report

    out = args.out or args.folder / "report.html"
    if out.is_dir():
        raise ReportError(f"{out}: a folder; --out is a file")
    page = make_report(args.folder, against=args.against, max_frames=args.max_frames)
    write_text(out, page)
    size = len(page.encode())
    tell(f"{out} ({size / 1e6:.1f} MB)" if size >= 1e6 else f"{out} ({size / 1e3:.0f} kB)")
    return 0
