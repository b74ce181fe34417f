"""A second policy beside the commanding one, never commanding."""
