"""Robot mathematics without ROS: kinematics, rotations, splines and action conversions."""
