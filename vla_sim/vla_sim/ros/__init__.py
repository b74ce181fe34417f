"""The simulator's and the mock's node."""
