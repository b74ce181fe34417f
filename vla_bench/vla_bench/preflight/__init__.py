"""Planted faults, and whether preflight names them."""
