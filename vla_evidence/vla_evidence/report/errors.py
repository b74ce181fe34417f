"""What can be wrong with a run folder."""


class ReportError(ValueError):
    """A run folder that cannot be reported. The message names the file, the field, and what is allowed."""
