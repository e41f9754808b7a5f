"""`python -m murakkab_jupyter` is `murakkab`."""

from __future__ import annotations

import sys

from murakkab_jupyter.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
