"""How the motion joins where one chunk takes over from another."""
