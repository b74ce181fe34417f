"""Errors of replay. Each message names the offender and what is allowed."""

from __future__ import annotations


class ReplayError(ValueError):
    """A bag, an option or a gate that replay cannot work with."""
