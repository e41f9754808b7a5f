"""The paper's listing: a job in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.run import Run
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.decompose import decompose
from murakkab_jupyter.workflow.goal import MIN_COST, Goal
from murakkab_jupyter.workflow.language.chain import chain, input_values

__all__ = ["Job"]


class Job:
    """The paper's listing: a description, inputs, tasks in words, and what to optimise for.

    Parameters
    ----------
    description
        What the workflow is for.
    inputs
        Paths (or a folder or glob), or a mapping from variable names to values.
    tasks
        One sentence each; they are chained by kind and printed as cell text (`job.text`). Without any, the
        description alone is turned into steps.
    constraints
        A goal, e.g. `MIN_COST`.
    session
        Where it runs; a session of its own, closed at the end, by default.
    """

    def __init__(
        self,
        description: str,
        inputs: Sequence[str] | Mapping[str, Any] | str,
        tasks: Sequence[str] = (),
        constraints: Goal = MIN_COST,
        *,
        session: Session | None = None,
    ) -> None:
        self.session = session
        self.values = input_values(inputs)
        library = session.library if session is not None else default_library()
        if tasks:
            self.text = chain(
                tasks, library=library, values=self.values, description=description, goal=constraints
            )
        else:
            self.text = self.described(description, library, constraints)
        """The workflow as a cell, to read and to edit."""

    def described(self, description: str, library: Library, goal: Goal) -> str:
        """The cell of a description alone; raises `UsageError` where it leaves something to be said."""
        made = decompose(description, library=library, values=self.values, goal=goal)
        if made.wants:
            name, what = next(iter(made.wants.items()))
            msg = f"The description leaves {name} open: it should hold {what}"
            raise UsageError(msg, hint=f'Give it among the inputs: inputs={{…, "{name}": …}}')
        return made.text

    def execute(self, **options: Any) -> Run:
        """Plan and run it, and block until it has ended."""
        if self.session is not None:
            return self.session.run(self.session.declare(self.text, self.values), **options)
        with Session() as session:
            return session.run(session.declare(self.text, self.values), **options)

    def __repr__(self) -> str:
        return self.text
