"""Starts a graph and talks to it."""
