"""Standard rosbag2 bags: record, read, write."""
