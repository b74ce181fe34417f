"""The controller alone on a bench: what feeds it, and the arm behind it."""
