"""The time of every chunk, from camera stamp to executed setpoint."""
