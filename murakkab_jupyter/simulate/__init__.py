"""WHAT IF: the virtual-clock driver of the run loop."""
