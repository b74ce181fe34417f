"""A second policy in the graph that never commands, and how far it is from the one that does."""
