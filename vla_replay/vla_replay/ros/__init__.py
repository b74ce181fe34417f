"""Preflight, replay and shadow in a running graph."""
