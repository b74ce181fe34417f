"""Measurements that developers make of the suite."""
