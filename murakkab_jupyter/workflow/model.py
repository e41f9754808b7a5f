"""A workflow as plain frozen data: what the language makes and every room above reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from murakkab_jupyter.core.ancestry import Level
from murakkab_jupyter.workflow.goal import Goal

__all__ = ["How", "Input", "Step", "Variable", "Workflow"]

How = Literal["same", "broadcast", "gather"]


@dataclass(frozen=True, slots=True)
class Input:
    """One reference of a step.

    Attributes
    ----------
    source
        Name of the step or variable it refers to.
    port
        Port of the capability it is bound to; empty for a reference that only the body makes.
    how
        `same` (joined by key), `broadcast` (the source lives at a prefix of the step's level) or `gather`
        (the source lives deeper: a list, in ancestry order).
    in_body
        Whether the body refers to it (its text is filled in there).
    """

    source: str
    port: str
    how: How
    in_body: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A Python variable (or command-line input) that a workflow refers to.

    Attributes
    ----------
    name
        As the cell writes it.
    kind
        Kind of each of its values.
    level
        `(name,)` for a collection, `()` for a scalar, which is broadcast.
    heard
        Whether it holds videos of which only the sound is asked for: a file without a picture will do.
    """

    name: str
    kind: str
    level: Level
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a workflow, bound to a capability.

    Attributes
    ----------
    name
        Its name, and the name of the level it opens when its capability yields many.
    sentence
        As written, references in braces, without level and pins.
    capability
        Name of the capability it needs.
    at
        The level it runs at: one item for each ancestry of that level.
    opens
        Whether it opens the level `at + (name,)`.
    kind
        Kind of what it makes.
    inputs
        References, in the order of the sentence, then those that only the body makes.
    options
        What sentence slots and pins fix: not the planner's to change.
    agent
        Name of the pinned agent, or None.
    per
        The level as the user wrote it (`video`, `all`), or None where the rules chose.
    pin
        The pin as written, without the `@`: a capability, an agent or `python:NAME`; None without one.
    body
        The prompt as written (without its indent), or None.
    line
        Line of the cell it starts on, from 1.
    """

    name: str
    sentence: str
    capability: str
    at: Level
    opens: bool
    kind: str
    inputs: tuple[Input, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    agent: str | None = None
    per: str | None = None
    pin: str | None = None
    body: str | None = None
    line: int = field(default=0, compare=False)

    @property
    def level(self) -> Level:
        """The level its values live at."""
        return (*self.at, self.name) if self.opens else self.at

    def inputs_of(self, port: str) -> tuple[Input, ...]:
        """The references bound to a port, in order."""
        return tuple(one for one in self.inputs if one.port == port)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A named DAG of steps, its variables and its default goal; steps stand in a topological order."""

    name: str
    description: str
    variables: tuple[Variable, ...]
    steps: tuple[Step, ...]
    goal: Goal
    text: str = field(compare=False)
    """The cell that says it; parsing it again, with the same variables, gives this workflow."""

    def step(self, name: str) -> Step:
        """A step by name; raises `KeyError`."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def variable(self, name: str) -> Variable:
        """A variable by name; raises `KeyError`."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise KeyError(name)

    def level_of(self, name: str) -> Level:
        """The level the values of a step or variable live at."""
        for variable in self.variables:
            if variable.name == name:
                return variable.level
        return self.step(name).level

    def kind_of(self, name: str) -> str:
        """The kind of the values of a step or variable."""
        for variable in self.variables:
            if variable.name == name:
                return variable.kind
        return self.step(name).kind

    def successors(self, name: str) -> Iterator[Step]:
        """Steps that refer to a step or variable."""
        return (s for s in self.steps if any(i.source == name for i in s.inputs))

    def sinks(self) -> Iterator[Step]:
        """Steps that nothing refers to: the workflow's results."""
        return (s for s in self.steps if not any(True for _ in self.successors(s.name)))
