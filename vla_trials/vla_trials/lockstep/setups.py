"""Names of the simulated setups."""

STANDARD, OTHER = SETUPS = ("standard", "other")
"""The one that policies are trained in, and one whose dynamics and images differ from it."""
