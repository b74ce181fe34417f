"""Demonstrations of the scripted expert."""
