"""Camera images and joint states become observations, or the reason why there is none."""
