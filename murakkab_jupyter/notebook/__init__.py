"""SEEN: magics and views."""
