"""`python -m murakkab_jupyter.planner FILE.json` solves a problem and prints JSON."""

from __future__ import annotations

import sys

from murakkab_jupyter.planner.exact.door import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
