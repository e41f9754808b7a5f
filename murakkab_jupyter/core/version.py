"""The version, where every room can read it without importing those above."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"
