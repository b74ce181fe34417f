"""MuJoCo cells: arm, tasks with ground truth, scripted experts, joint trajectory controllers."""
