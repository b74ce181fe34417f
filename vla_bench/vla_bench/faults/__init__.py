"""Faults through the running graph, and whether the arm came to rest."""
