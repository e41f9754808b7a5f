"""WHAT: a workflow as plain data, its goal, and the cell language that says it."""
