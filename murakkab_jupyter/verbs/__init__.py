"""The verbs: one table and one parser for the magics, the command line and Python.

A `Workbench` holds what has been declared in a session and does what a verb asks; what it answers is an
`Outcome`: data, not text, so that each face shows it in its own way.
"""

from murakkab_jupyter.verbs.bench import Declared, Workbench
from murakkab_jupyter.verbs.cells import header_options, names_in, refuse_unused, steps_in
from murakkab_jupyter.verbs.drafting import draft, is_description, meant, needs
from murakkab_jupyter.verbs.outcome import Outcome, check_target, write_json
from murakkab_jupyter.verbs.table import (
    OPTIONS,
    VERBS,
    Face,
    Option,
    Request,
    Verb,
    help_text,
    parse_request,
    verb_named,
)

__all__ = [
    "OPTIONS",
    "VERBS",
    "Declared",
    "Face",
    "Option",
    "Outcome",
    "Request",
    "Verb",
    "Workbench",
    "check_target",
    "draft",
    "header_options",
    "help_text",
    "is_description",
    "meant",
    "names_in",
    "needs",
    "parse_request",
    "refuse_unused",
    "steps_in",
    "verb_named",
    "write_json",
]
