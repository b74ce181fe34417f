"""Bags: recording the graph's raw messages, and reading them again, also where a recorder was killed."""
