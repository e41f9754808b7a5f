"""Plans for items that keep coming: what it takes to keep up, the steady state."""
