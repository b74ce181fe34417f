"""Entry point of the executable `recorder`."""

import signal
import sys


def main() -> None:
    """Runs the node.

    Until the node takes SIGINT over, Ctrl-C ends the process as the system does, not with a traceback out of some import.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vla_bags.ros.recorder_node import record

    sys.exit(record())
