"""`vla ledger`: where the time between camera and arm goes, from a bag or from the running graph."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from vla_contract.arguments import whole
from vla_contract.node_settings import REPLAN_STEPS
from vla_evidence.ledger.stamps import LedgerError

HELP = "where the time from camera to arm goes, from a bag or live"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", nargs="?", type=Path, metavar="BAG", help="rosbag2 folder, or a .mcap file")
    parser.add_argument("--live", action="store_true", help="the running graph, over the last 10 s, until Ctrl-C")
    parser.add_argument("--once", action="store_true", help="with --live: listen for 10 s, print, and end")
    parser.add_argument("--card", help="card name or file: rates to expect, names of cameras (default: the bag's own)")
    parser.add_argument("--namespace", help="ROS namespace of the robot's nodes")
    parser.add_argument(
        "--replan-steps", type=whole(1), default=REPLAN_STEPS,
        help="steps from one decision to the next that the policy was started with (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="write the ledger to this file")
    parser.add_argument("--chart", type=Path, help="draw the parts and the distribution of the whole (.png, .svg)")


def run(args: argparse.Namespace) -> int:
    from vla_contract.card import load_card
    from vla_contract.command import command_json
    from vla_contract.files import fresh, write_text
    from vla_evidence.console import Console

    if args.live == (args.bag is not None):
        raise LedgerError("give either a bag, or --live for the running graph")
    if args.once and not args.live:
        raise LedgerError("--once goes with --live; a bag is read once anyway")
    if args.chart:
        from vla_evidence.ledger.chart import check_suffix

        check_suffix(args.chart)
    card = load_card(args.card) if args.card else None
    if args.live:
        from vla_evidence.ros.live_ledger import watch

        try:
            ledger = watch(card, namespace=args.namespace or "", replan_steps=args.replan_steps, once=args.once)
        except KeyboardInterrupt:
            return 0
        content = ledger.as_dict()
    else:
        from vla_bags.reader import Bag
        from vla_evidence.ledger.ledger import build_ledger
        from vla_evidence.ledger.table import render

        with Bag(args.bag, args.namespace) as bag:
            content = build_ledger(bag, card=card, replan_steps=args.replan_steps).as_dict()
        Console().print(render(content))
    if args.json:
        from vla_evidence.figures import LedgerFigures

        figures = LedgerFigures.from_json({**content, "command": command_json()}, str(args.json))
        write_text(args.json, json.dumps(figures.to_json(), indent=2) + "\n")
    if args.chart:
        from vla_evidence.ledger.chart import draw

        args.chart.parent.mkdir(parents=True, exist_ok=True)
        with fresh(args.chart) as draft:
            draw(content, draft)
    return 0
