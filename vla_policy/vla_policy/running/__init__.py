"""A policy at work: pacing, runs, committed prefixes."""
