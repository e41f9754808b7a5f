"""Whether what an agent returned is what its capability promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import KINDS

__all__ = ["check_values", "fits"]


def fits(value: object, kind: str) -> bool:
    """Whether `value` is of `kind`; a record may be any plain JSON value, `any` and unknown kinds take all."""
    known = KINDS.get(kind)
    if known is None or kind == "any":
        return True
    if kind == "record" and (value is None or isinstance(value, str | int | float | bool | list | tuple)):
        return True
    return isinstance(value, known.type)


def check_values(agent: str, returned: object, *, items: int, kind: str, opens: bool) -> tuple[Any, ...]:
    """The values of a call as a tuple, one for each item.

    Parameters
    ----------
    agent
        Its name, for the message.
    returned
        What `Agent.call` returned.
    items
        How many items it was called with.
    kind
        Kind of value the capability makes.
    opens
        Whether each value must be a list, of children of that kind.

    Raises
    ------
    AgentError
        When the number of values, a value's kind, or its being a list is not as promised.
    """
    if isinstance(returned, str | bytes) or not isinstance(returned, Sequence):
        msg = f"Agent {agent} returned {describe(returned)} for {items} items, not a list of values."
        raise AgentError(msg, hint=_HINT)
    values = tuple(returned)
    if len(values) != items:
        msg = f"Agent {agent} returned {len(values)} values for {items} items."
        raise AgentError(msg, hint=_HINT)
    for position, value in enumerate(values):
        if isinstance(value, Failed):
            continue
        if not opens:
            if not fits(value, kind):
                msg = f"Agent {agent} returned {describe(value)} as value {position}; its capability makes {kind}."
                raise AgentError(msg, hint=_HINT)
            continue
        if isinstance(value, str | bytes) or not isinstance(value, list | tuple):
            msg = f"Agent {agent} returned {describe(value)} as value {position}; its capability makes a list of {kind}."
            raise AgentError(msg, hint="Return a list of children for each item, an empty one for none.")
        for child in value:
            if not fits(child, kind):
                msg = f"Agent {agent} returned a list with {describe(child)} as value {position}; its capability makes {kind}."
                raise AgentError(msg, hint=_HINT)
    return values


_HINT = "`call` returns one value for each item, in the same order: a value of the kind, or Failed."


def describe(value: object) -> str:
    """A value in a few words, for a message."""
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return f"{type(value).__name__} {shown}"
