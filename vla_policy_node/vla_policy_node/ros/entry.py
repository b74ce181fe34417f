"""Entry point of the executable `policy`."""

import signal


def main() -> int:
    """Runs the node; returns its exit code.

    Until the node takes SIGINT over, Ctrl-C ends the process as the system does, not with a traceback out of some import.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vla_policy_node.ros.process import main as run_node

    return run_node()
