"""DO: the run loop (a state machine without I/O), the journal and the bill."""
