"""The contract between policies and robots: card, observation, chunk, report, normalisation. No ROS outside `ros`."""
