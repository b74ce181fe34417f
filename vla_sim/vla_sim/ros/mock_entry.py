"""Entry point of the executable `mock`."""

import signal


def main() -> None:
    """Runs the node.

    Until rclpy takes SIGINT over, Ctrl-C ends the process as the system does, not with a traceback out of some import.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from vla_sim.ros.mock_node import main as run_node

    run_node()
