"""Labels: what a step says a text may be classified as."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from murakkab_jupyter.core.errors import UsageError

__all__ = ["labels_of", "labels_problem"]

EXAMPLE = 'Name two or more: "refund, delivery, technical"; or a dict that says what each means.'
MOST = 100


def labels_of(stated: object) -> dict[str, str]:
    """Labels with what each means: a text with commas, or a mapping from label to meaning.

    Raises
    ------
    UsageError
        For fewer than two labels, or one that stands twice.
    """
    if isinstance(stated, str) and stated.lstrip().startswith("{"):
        try:
            stated = json.loads(stated)
        except ValueError as error:
            msg = f"The labels look like JSON and are none: {error}."
            raise UsageError(msg, hint=EXAMPLE) from None
    if isinstance(stated, Mapping):
        found = {str(label).strip(): str(meaning or "").strip() for label, meaning in stated.items()}
        found.pop("", None)
    else:
        parts = re.split(r"[,;\n]|\s+(?:or|and)\s+", str(stated or ""))
        names = [part.strip().strip("\"'").strip() for part in parts]
        names = [re.sub(r"^(?:or|and)\s+", "", name) for name in names if name]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            msg = f"The label {twice} is named twice."
            raise UsageError(msg, hint=EXAMPLE)
        found = dict.fromkeys(names, "")
    if len(found) < 2 or len(found) > MOST:
        msg = f"{len(found)} label{'' if len(found) == 1 else 's'} to choose from."
        raise UsageError(msg, hint=EXAMPLE if len(found) < 2 else f"At most {MOST}.")
    return found


def labels_problem(stated: object) -> str:
    """What is wrong with stated labels, or ""."""
    if not stated:
        return ""
    try:
        labels_of(stated)
    except UsageError as error:
        return error.message
    return ""
