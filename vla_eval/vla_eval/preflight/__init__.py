"""Preflight: does what a cell really sends agree with its card and its checkpoint? See docs/preflight.md."""
