"""Weights: what there is, where it comes from, how it gets here, and where it lies."""
