"""Planners to compare ours with."""
