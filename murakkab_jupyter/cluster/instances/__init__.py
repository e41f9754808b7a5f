"""Instances: an agent loaded in a process of its own, the pool of a worker, and what they say to each other."""
