"""The paper's listing: a job in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.run import Run
from murakkab_jupyter.session import Session
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
        One sentence each; they are chained by kind and printed as cell text (`job.text`).
    constraints
        A goal, e.g. `MIN_COST`.
    session
        Where it runs; a session of its own, closed at the end, by default.
    """

    def __init__(
        self,
        description: str,
        inputs: Sequence[str] | Mapping[str, Any] | str,
        tasks: Sequence[str],
        constraints: Goal = MIN_COST,
        *,
        session: Session | None = None,
    ) -> None:
        self.session = session
        self.values = input_values(inputs)
        library = session.library if session is not None else default_library()
        self.text = chain(
            tasks, library=library, values=self.values, description=description, goal=constraints
        )
        """The workflow as a cell, to read and to edit."""

    def execute(self, **options: Any) -> Run:
        """Plan and run it, and block until it has ended."""
        if self.session is not None:
            return self.session.run(self.session.declare(self.text, self.values), **options)
        with Session() as session:
            return session.run(session.declare(self.text, self.values), **options)

    def __repr__(self) -> str:
        return self.text
