"""Plain data that every room shares: ancestry, kinds of value, figures, events, hosts and errors."""
