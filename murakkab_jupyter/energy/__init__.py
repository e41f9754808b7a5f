"""SPENT: meters of energy and CPU time."""
