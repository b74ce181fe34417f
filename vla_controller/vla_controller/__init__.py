"""Chunks of actions become joint trajectories that keep to the limits, join the motion under way, and end at rest."""
