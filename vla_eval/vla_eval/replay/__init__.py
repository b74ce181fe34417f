"""Bags through the live assembler: open-loop error of policies, faults on the stream, and playing into the running graph."""
