"""A policy and the controller on recorded input."""
