"""Entry point of the executable `shadow`."""

import signal
import sys


def main() -> None:
    """Runs the node.

    Until the node takes SIGINT over, Ctrl-C ends the process as the system does, not with a traceback out of some import.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vla_replay.ros.shadow_node import watch

    sys.exit(watch())
