"""What may go wrong between a command and a graph."""


class GraphError(RuntimeError):
    """The graph did not do its part in time. The message says which part, and what to look at."""


class RobotError(RuntimeError):
    """Nobody answers in a robot's namespace. The message says who is missing, and what to look at."""
