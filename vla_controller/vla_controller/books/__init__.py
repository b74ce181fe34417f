"""What is said and sent: reports, trajectories, grippers, health."""
