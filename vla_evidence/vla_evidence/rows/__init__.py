"""A row for each inference and episode."""
