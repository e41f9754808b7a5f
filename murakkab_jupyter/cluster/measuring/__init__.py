"""Measuring agents and model servers, for the profiles."""
