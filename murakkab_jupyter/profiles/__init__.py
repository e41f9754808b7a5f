"""HOW WELL: hardware, profiles of agents as curves, their store, and measuring."""
