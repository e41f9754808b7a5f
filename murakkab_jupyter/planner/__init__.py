"""HOW: which agent, on what, how parallel, in which batches; and why."""
