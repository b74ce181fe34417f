"""One file for each kind of disagreement."""
