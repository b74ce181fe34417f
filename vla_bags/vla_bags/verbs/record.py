"""`vla record`: the graph's messages, raw, into a rosbag2 folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from vla_bags.bag_folder import COMPRESSIONS
from vla_bags.image_packer import IMAGES, ImageKeeping
from vla_contract.arguments import number, whole
from vla_contract.printing import tell
from vla_contract.recording import MIN_FREE_MIB, QUALITIES, QUALITY

HELP = "record what the graph says into a rosbag2 folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", default="panda_tabletop", help="card name or file of the robot (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="folder of the bag (default: out/bags/ and the time)")
    parser.add_argument(
        "--topics", nargs="+", default=[], metavar="TOPIC", help="record these instead of all of the card and the suite"
    )
    parser.add_argument("--namespace", default="", metavar="NS", help="ROS namespace of the robot")
    parser.add_argument(
        "--duration", type=number(0, unit="s"), default=0.0, metavar="S", help="end after this time [s]; 0: on Ctrl-C (default)"
    )
    parser.add_argument("--checkpoint", help="checkpoint name or file, where no policy node tells it")
    parser.add_argument(
        "--compression", choices=COMPRESSIONS, default="none", help="of chunks (default: %(default)s; lz4 is cheap)"
    )
    parser.add_argument(
        "--images", choices=IMAGES, default="raw",
        help="how raw images of the card's cameras are kept; jpeg, h264: 16 bits and mosaics as png (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--jpeg-quality", type=whole(*QUALITIES), metavar="Q", help=f"of --images jpeg, 1 to 100 (default: {QUALITY})"
    )
    parser.add_argument(
        "--min-free", type=whole(0), default=MIN_FREE_MIB, metavar="MIB",
        help="end when the disk has less left [MiB] (default: %(default)s)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from vla_bags.bag_folder import check_new
    from vla_bags.entries import BagError
    from vla_bags.recorded_topics import check_names
    from vla_bags.recorder_settings import RecorderSettings, default_out
    from vla_bags.ros.recorder_node import record

    check_names(args.namespace, args.topics)
    if args.checkpoint == "expert":
        raise BagError("--checkpoint expert is no file; leave it out: the policy tells what it runs")
    if args.jpeg_quality is not None and args.images != "jpeg":
        raise BagError(f"--jpeg-quality is of --images jpeg, and images are {args.images}")
    images = ImageKeeping(args.images, QUALITY if args.jpeg_quality is None else args.jpeg_quality)
    out = args.out or default_out()
    check_new(out)
    code = record(
        RecorderSettings(
            out=out,
            card=Path(args.card),
            checkpoint=Path(args.checkpoint) if args.checkpoint else None,
            topics=tuple(args.topics),
            duration=args.duration,
            compression=args.compression,
            images=images,
            min_free_mib=args.min_free,
        ),
        args.namespace,
    )
    if out.exists():
        tell(f"bag: {out}")
    return code
