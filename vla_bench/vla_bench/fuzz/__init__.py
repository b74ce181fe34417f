"""Random chunks, timing and faults against the controller, judged by code that shares nothing with it."""
