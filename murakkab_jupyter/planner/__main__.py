"""`python -m murakkab_jupyter.planner FILE.json` solves a problem and prints JSON."""

from __future__ import annotations

import sys

__all__: list[str] = []


def start() -> int:
    """As `exact.door.main`; an interrupt while modules are still being read ends as one before any schedule."""
    try:
        from murakkab_jupyter.planner.exact.door import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before any schedule was found.\n")
        return 130


if __name__ == "__main__":
    sys.exit(start())
