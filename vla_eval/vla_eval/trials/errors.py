"""What a user can get wrong about trials."""

from __future__ import annotations


class TrialsError(ValueError):
    """A request that cannot be. The message names the offender and what is allowed."""
