"""What to do where SQLite cannot use a file: its errors are words, the same for every store here."""

from __future__ import annotations

__all__ = ["remedy"]


def remedy(why: str, variable: str, otherwise: str) -> str:
    """What to do about an error of SQLite.

    Parameters
    ----------
    why
        What SQLite says.
    variable
        The environment variable that names another file.
    otherwise
        What to do about anything else, a damaged file for instance.
    """
    if "locked" in why:
        return "Another process is writing to it for long; try again."
    if "is full" in why:
        return f"Free some space, or set {variable} to a path on another disk."
    if "disk I/O" in why:  # all that SQLite says of a quota
        return f"Its disk may be over a quota, or fail: free some space and try again, or set {variable} to a path on another disk."
    if "readonly" in why or "unable to open" in why:
        return f"Set {variable} to a path that can be written."
    return otherwise
