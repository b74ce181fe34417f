"""What is known and let in: chunks, joint states, clocks."""
