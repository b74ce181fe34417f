"""Closed loop: lockstep, demonstrations, trials."""
