"""From words to steps: a description becomes the text of a cell, to read and to edit. Nothing runs.

`decompose` does it without a language model, by cues, likeness of meaning and kinds; `ask` lets a language
model propose, within the capabilities that are known. Both are checked by binding the cell that they make.
"""

from murakkab_jupyter.workflow.decompose.ask import ask
from murakkab_jupyter.workflow.decompose.draft import Draft, guessed_inputs, nearest_encoder
from murakkab_jupyter.workflow.decompose.words import decompose

__all__ = ["Draft", "ask", "decompose", "guessed_inputs", "nearest_encoder"]
