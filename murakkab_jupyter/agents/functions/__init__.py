"""A user's own functions as agents: the decorator, the version of a function, what it returns."""
