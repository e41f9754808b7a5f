"""Served models: endpoints that speak the OpenAI API, calls of them, and the agents they offer."""
