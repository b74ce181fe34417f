"""Kinds of policy: `native` (the model of this package) and `scripted` (no model, for tests and dry runs)."""
