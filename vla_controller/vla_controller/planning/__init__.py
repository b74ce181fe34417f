"""From a chunk to motion within the limits."""
