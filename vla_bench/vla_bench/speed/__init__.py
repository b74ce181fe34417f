"""How fast replay and trials run."""
