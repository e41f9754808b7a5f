"""The cell language: text <-> Workflow.

`parse` knows only how a cell may look; `bind` knows capabilities and variables; `format_workflow` is the
way back; `chain` makes a cell of bare sentences.
"""

from murakkab_jupyter.workflow.language.bind import bind, declare
from murakkab_jupyter.workflow.language.chain import chain, input_values
from murakkab_jupyter.workflow.language.format import format_workflow
from murakkab_jupyter.workflow.language.options import parse_goal_options
from murakkab_jupyter.workflow.language.parse import functions_in, parse
from murakkab_jupyter.workflow.language.syntax import Cell
from murakkab_jupyter.workflow.language.template import fill, plain

__all__ = [
    "Cell",
    "bind",
    "chain",
    "declare",
    "fill",
    "format_workflow",
    "functions_in",
    "input_values",
    "parse",
    "parse_goal_options",
    "plain",
]
