"""What the controller costs, and what it does to clean chunks."""
