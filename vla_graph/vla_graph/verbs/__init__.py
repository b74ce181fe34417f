"""Verbs of the `vla` command, one file each."""
