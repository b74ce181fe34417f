"""Trials through the running graph."""
