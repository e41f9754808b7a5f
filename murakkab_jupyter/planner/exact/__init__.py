"""The exact problem behind its own door: activities with modes, capacity, limits; solved, proven and checked."""
