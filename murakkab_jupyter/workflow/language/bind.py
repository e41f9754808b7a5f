"""Syntax tree -> Workflow: names, meaning, kinds, levels and options."""

from __future__ import annotations

import builtins
import heapq
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Level, is_prefix
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.format import format_workflow
from murakkab_jupyter.workflow.language.levels import Reference, level_named, level_of_step, reach
from murakkab_jupyter.workflow.language.meaning import PYTHON, Meaning, comment_in, meaning_of
from murakkab_jupyter.workflow.language.options import WordError, parse_goal_options
from murakkab_jupyter.workflow.language.parse import parse
from murakkab_jupyter.workflow.language.settings import pinned_options, stated_problem
from murakkab_jupyter.workflow.language.sorts import MEDIA_KINDS, Sort, as_listed, sort_of, why_no_data
from murakkab_jupyter.workflow.language.suggest import listed, near, suggestion
from murakkab_jupyter.workflow.language.syntax import Cell, Place, Ref, StepNode
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

__all__ = ["bind", "declare"]

UNNAMED = "workflow"
MOST_TRIED = 200
UNSAID = re.compile(r"[\s,]+per\s+(?P<level>[^\W\d]\w*)\.?\s*(?:\s#.*)?\Z")
"""The end of a sentence that names a level, but without the comma or with a comment behind."""
DEFINE = "Define it first, in the notebook or in Python (a terminal has no functions): def {}(…): …"
VALUE = "{name} = … (in a terminal: --input {name}=…)"
"""In a longer cell, the forms that an error suggests are not checked for their levels."""


def declare(
    text: str | bytes,
    *,
    library: Library,
    values: Mapping[str, object],
    goal: Goal | None = None,
    earlier: bool = False,
) -> Workflow:
    """Parse and bind a cell.

    Parameters
    ----------
    text
        The cell.
    library
        Where capabilities and agents are looked up.
    values
        Python variables (or command-line inputs) by name; more than the cell refers to is fine.
    goal
        Replaces the goal that the header says.
    earlier
        Whether the cell ran before: then a sentence stands, though it looks like a slip (a comment, a level without a comma).

    Returns
    -------
    Workflow
        Its `text` is the cell as written; where `goal` replaced the header's, the cell that says it.

    Raises
    ------
    LanguageError
        With the place, what was expected and what to type.
    """
    workflow = bind(parse(text), library=library, values=values, earlier=earlier)
    if goal is None or goal == workflow.goal:
        return workflow
    changed = replace(workflow, goal=goal)
    return replace(changed, text=format_workflow(changed))


def bind(cell: Cell, *, library: Library, values: Mapping[str, object], earlier: bool = False) -> Workflow:
    """Bind a parsed cell to a library and to Python variables; see `declare`."""
    if not cell.steps:
        raise no_steps(cell)
    goal = goal_of(cell)
    nodes = ordered(cell.steps)
    binder = Binder(library, values, {node.name: node for node in nodes}, earlier)
    for node in nodes:
        binder.understand(node)
    variables = binder.variables()
    steps = []
    for node in nodes:
        steps.append(binder.place(node))
        binder.check_comment(node)
    return Workflow(cell.name or UNNAMED, cell.description, variables, tuple(steps), goal, cell.text)


def no_steps(cell: Cell) -> Exception:
    first = cell.text.split("\n", 1)[0].removesuffix("\r")
    example = "Write at least one, for example: scenes <- split {videos} into scenes"
    if cell.description or cell.name or cell.options:
        return Place(1, 1, 1, first).error("This cell has no step.", example)
    return Place(1, 1, 1, first).error("This cell is empty.", example)


def goal_of(cell: Cell) -> Goal:
    try:
        goal, found = parse_goal_options([word.text for word in cell.options])
    except WordError as error:
        raise cell.options[error.index].place.error(error.message, error.hint) from None
    except UsageError as error:
        raise cell.options[0].place.error(error.message, error.hint) from None
    loose = found.get("words")
    if loose:
        place = next(word.place for word in cell.options if word.text == loose[0])
        msg = f"`{loose[0][:60]}` is no option."
        raise place.error(msg, "After the name come options only: --minimize energy")
    return goal


# --- order ---------------------------------------------------------------------------------------------------


def ordered(steps: Sequence[StepNode]) -> list[StepNode]:
    """Steps in a topological order, as near to the written one as can be; a cycle is an error."""
    index = {step.name: i for i, step in enumerate(steps)}
    waits = [{index[ref.name] for ref in step.all_refs() if ref.name in index} for step in steps]
    waiting = [len(w) for w in waits]
    users: list[list[int]] = [[] for _ in steps]
    for i, sources in enumerate(waits):
        for source in sources:
            users[source].append(i)
    ready = [i for i, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    found: list[StepNode] = []
    while ready:
        i = heapq.heappop(ready)
        found.append(steps[i])
        for user in users[i]:
            waiting[user] -= 1
            if waiting[user] == 0:
                heapq.heappush(ready, user)
    if len(found) < len(steps):
        raise cycle(steps, index, waiting)
    return found


def cycle(steps: Sequence[StepNode], index: Mapping[str, int], waiting: Sequence[int]) -> Exception:
    """Walk back along steps that still wait until one comes again: that is a circle."""
    at = next(i for i, count in enumerate(waiting) if count > 0)
    path: list[int] = []
    seen: dict[int, int] = {}
    while at not in seen:
        seen[at] = len(path)
        path.append(at)
        at = next(
            index[r.name] for r in steps[at].all_refs() if waiting[index.get(r.name, at)] and r.name in index
        )
    around = path[seen[at] :]
    first = steps[min(around)]
    start = around.index(min(around))
    around = around[start:] + around[:start]
    source = steps[around[1 % len(around)]].name
    place = next(ref.place for ref in first.all_refs() if ref.name == source)
    if len(around) == 1:
        return place.error(
            f"`{first.name}` refers to itself.", "Give the step a name that differs from what it takes."
        )
    told = " <- ".join(steps[i].name for i in [*around, around[0]])
    return place.error(f"These steps wait for each other: {told}.", "Take one of these references out.")


# --- binding -------------------------------------------------------------------------------------------------


@dataclass
class Binder:
    """Binds steps one after another; each is first understood, then, when all kinds are known, placed."""

    library: Library
    values: Mapping[str, object]
    nodes: Mapping[str, StepNode]
    earlier: bool = False
    sorts: dict[str, Sort] = field(default_factory=dict)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    agents: dict[str, str | None] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    used_at: dict[str, tuple[Place, Port]] = field(default_factory=dict)
    levels: dict[str, Level] = field(default_factory=dict)
    openers: dict[str, Level] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    read_here: set[str] = field(default_factory=set)
    """Variables that others than functions of the user's own take."""
    order: list[str] = field(default_factory=list)

    def understand(self, node: StepNode) -> None:
        """Find the step's capability, ports and options."""
        for ref in node.all_refs():
            self.look_up(ref)
        pinned, agent = self.target_of(node)
        meaning = meaning_of(
            node, self.sorts, self.library, pinned, lambda c, way: self.could_place(node, Meaning(c, way))
        )
        function = self.values.get(node.pin.function) if node.pin and node.pin.function else None
        prompts = meaning.capability.prompted or takes_prompt(function)
        if node.body is not None and not prompts and node.body_place is not None:
            prompted = listed(c.name for c in self.library.capabilities() if c.prompted)
            msg = f"{meaning.capability.name} takes no prompt."
            raise node.body_place.error(
                msg,
                f"Remove the indented lines, or pin a capability that takes one: {prompted}.",
            )
        self.narrow(node, meaning)
        self.check_said(node, meaning)
        given = pinned_options(node, meaning.capability, agent, self.library, function)
        self.check_call(node, function, [name for _, name in meaning.bound])
        for key, value in meaning.slots.items():
            if key in given and given[key] != value:
                place = next(k.place for k in (node.pin.keys if node.pin else ()) if k.name == key)
                msg = f"The sentence says {key} = {value}, the pin says {given[key]}."
                raise place.error(msg, "Say it once.")
        self.meanings[node.name] = meaning
        self.agents[node.name] = agent
        self.options[node.name] = {**meaning.slots, **given}
        self.sorts[node.name] = Sort((made_by(meaning.capability, function),))

    def look_up(self, ref: Ref) -> None:
        name = ref.name
        if name in self.nodes or name in self.sorts:
            return
        value = self.values.get(name)
        if value is None:
            known = [*self.nodes, *(key for key, given in self.values.items() if given is not None)]
            close = near(name, known)
            did = f"Did you mean {' or '.join(f'{{{c}}}' for c in close)}? Or " if close else ""
            give = f"give {{{name}}} a value: {VALUE.format(name=name)}"
            if name in self.values:
                msg = f"The variable `{name}` is None."
                raise ref.place.error(msg, f"{give[0].upper()}{give[1:]}")
            hint = f"{did}{give}"
            msg = f"{{{name}}} is no step of this cell, and no variable with a value."
            raise ref.place.error(
                msg,
                hint[0].upper() + hint[1:],
            )
        if name == "all":
            msg = "`all` names the root level."
            raise ref.place.error(msg, "Give the variable another name.")
        if isinstance(value, ModuleType):
            msg = f"`{name}` is a module, not data."
            raise ref.place.error(msg, "Refer to a variable that holds data.")
        if callable(value):
            msg = f"`{name}` is a function, not data."
            raise ref.place.error(msg, f"To use it as a step, pin it: … @python:{name}")
        if isinstance(value, str) and not value.strip():
            msg = f"The variable `{name}` is an empty text."
            raise ref.place.error(msg, f"Give {{{name}}} a value: {VALUE.format(name=name)}")
        if wrong := why_no_data(name, value, None):
            raise ref.place.error(*wrong)
        self.sorts[name] = sort_of(value)
        self.order.append(name)

    def target_of(self, node: StepNode) -> tuple[Capability | None, str | None]:
        """The capability and the agent that the step's pin names."""
        pin = node.pin
        if pin is None:
            return None, None
        capabilities = {c.name: c for c in self.library.capabilities()}
        if pin.function is not None:
            functions = [name for name, value in self.values.items() if callable(value)]
            if not callable(self.values.get(pin.function)):
                raise pin.place.error(*self.no_function(pin.function, functions))
            if PYTHON not in capabilities:
                msg = "Python functions cannot be steps here: this library has no capability `python`."
                raise pin.place.error(
                    msg,
                    "Load the built-in agents.",
                )
            return capabilities[PYTHON], pin.target
        if pin.target in capabilities:
            return capabilities[pin.target], None
        agents = {a.name: a for a in self.library.agents()}
        if pin.target in agents:
            return capabilities[agents[pin.target].capability], pin.target
        hint = suggestion(pin.target, [*capabilities, *agents])
        if callable(self.values.get(pin.target)):
            hint = f"For a Python function write @python:{pin.target}"
        msg = f"There is no agent or capability `{pin.target[:60]}`."
        raise pin.place.error(msg, hint)

    def no_function(self, name: str, functions: Sequence[str]) -> tuple[str, str]:
        """What is wrong with the name of a function that is pinned, and what helps."""
        hint = suggestion(name, functions) if functions else DEFINE.format(name)
        if name in self.values:
            return f"`{name}` is no function.", hint
        if callable(getattr(builtins, name, None)):
            msg = f"`{name}` is a builtin of Python, not a function of the notebook."
            own = f"my_{name.lower()}"
            return msg, f"Wrap it and pin @python:{own}, with def {own}(text): return {name}(text)"
        return f"`{name}` is not defined: no function of the notebook has this name.", hint

    def narrow(self, node: StepNode, meaning: Meaning) -> None:
        """A variable's kind is decided by all ports that take it together."""
        places = {ref.name: ref.place for ref in node.all_refs()}
        for port_name, name in meaning.bound:
            port = meaning.capability.port(port_name)
            if name in self.nodes or port is None:
                continue
            reads = meaning.capability.name != PYTHON and self.library.is_builtin(meaning.capability.name)
            if wrong := why_no_data(name, self.values.get(name), port, reads=reads):
                raise places[name].error(*wrong)
            sort = self.sorts[name].narrowed(port)
            if meaning.capability.name != PYTHON:
                self.read_here.add(name)
            if sort is None:
                _, before = self.used_at[name]
                msg = (
                    f"`{name}` is used as {' or '.join(sorted(port.kinds))} here, and as "
                    f"{' or '.join(sorted(before.kinds))} in line {self.used_at[name][0].line}."
                )
                raise places[name].error(
                    msg,
                    "Use two variables.",
                )
            self.sorts[name] = sort
            self.used_at.setdefault(name, (places[name], port))

    def check_said(self, node: StepNode, meaning: Meaning) -> None:
        """What a sentence or a variable says (labels, fields) is as right as in a pin; a pin's own is checked as it is read."""
        if self.earlier:
            return
        for key, value in meaning.slots.items():
            if problem := stated_problem(meaning.capability, key, value, self.library):
                raise node.sentence_place.error(*problem)
        for key, name in meaning.bound:
            port, value = meaning.capability.port(key), as_listed(self.values.get(name))
            if port is None or not port.stated or name in self.nodes:
                continue
            place = next(ref.place for ref in node.all_refs() if ref.name == name)
            # Of labels and fields a list is one value; of languages it is one after another.
            whole = any(
                option.name == key and option.check is not None
                for agent in self.library.agents(meaning.capability.name)
                for option in agent.options
            )
            if (
                whole
                and isinstance(value, list | tuple)
                and all(isinstance(one, str) and "," not in one for one in value)
            ):
                msg = f"`{name}` is a list, which is gone through one by one; {key} are one text, or a dict."
                raise place.error(msg, f'Write {name} = ", ".join({name}) before this cell.')
            if whole and isinstance(value, Mapping) and not value:
                msg = f"`{name}` is an empty dict, and there are no {key} in it."
                raise place.error(msg, f'Write {name} = "one, another" before this cell.')
            if whole and isinstance(value, int | float):
                msg = f"`{name}` is {value!r}; {key} are one text, or a dict."
                raise place.error(msg, f'Write {name} = "one, another" before this cell.')
            if isinstance(value, str | Mapping) and (
                problem := stated_problem(meaning.capability, key, value, self.library)
            ):
                raise place.error(*problem)

    def could_place(self, node: StepNode, meaning: Meaning) -> bool:
        """Whether a step that is not understood yet could run so (earlier steps stand)."""
        if len(self.meanings) > MOST_TRIED:
            return True
        trial = replace(
            self,
            sorts=dict(self.sorts),
            meanings={**self.meanings, node.name: meaning},
            agents={**self.agents, node.name: None},
            options={**self.options, node.name: {}},
            used_at=dict(self.used_at),
            read_here=set(self.read_here),
            levels={},
            openers={},
            kinds={},
        )
        try:
            trial.narrow(node, meaning)
            trial.check_said(node, meaning)
            trial.variables()
            for name in self.meanings:
                trial.place(self.nodes[name])
            trial.place(node)
        except LanguageError:
            return False
        return True

    def check_call(self, node: StepNode, function: object, names: Sequence[str]) -> None:
        """A function takes what its step refers to; it is not to be found out item by item."""
        if not callable(function) or node.pin is None:
            return
        from murakkab_jupyter.agents.functions.python import miscalled, parameters_of

        if why := miscalled(function, names):
            given = listed(f"{{{name}}}" for name in names) if names else "nothing"
            takes = listed(parameters_of(function)) or "nothing"
            msg = f"`{node.pin.function}` cannot be called with what this step refers to: {why}."
            raise node.pin.place.error(msg, f"The step refers to {given}; the function takes {takes}.")

    def check_comment(self, node: StepNode) -> None:
        """What a comment behind a step says would be asked for, and its end could be a level; a function reads no sentence."""
        begin = comment_in(node)
        if begin is None or self.earlier or (node.pin and node.pin.function):
            return
        place = replace(
            node.sentence_place,
            column=node.sentence_place.column + begin,
            width=len(node.sentence) - begin,
        )
        said = node.sentence[:begin].rstrip()
        msg = "This comment would be a part of the sentence."
        raise place.error(msg, f"A comment stands on a line of its own. Write {node.name} <- {said}")

    def check_comma(self, node: StepNode, at: Level) -> None:
        """A sentence that ends in a level without the comma would be made elsewhere than it says.

        Only where the step could run there: else "one line per note" is what it asks for. A function reads no sentence.
        """
        found = UNSAID.search(node.sentence)
        if found is None or self.earlier or (node.pin and node.pin.function):
            return
        begin = node.sentence_place.column + found.start("level")
        place = replace(node.sentence_place, column=begin, width=len(found["level"]))
        try:
            meant = level_named(found["level"], self.openers, place)
        except LanguageError:
            return
        around = any(is_prefix(meant, self.levels[ref.name]) for ref in node.all_refs())
        if meant != at and around:
            said = node.sentence[: found.start()].rstrip(" ,")
            msg = f"`per {found['level']}` is a level only after a comma, as the last words of a sentence."
            raise place.error(msg, f"Write {node.name} <- {said}, per {found['level']}")

    def variables(self) -> tuple[Variable, ...]:
        """Variables with their kinds and levels, in the order they are first referred to."""
        found = []
        for name in self.order:
            sort = self.sorts[name]
            kind = sort.kinds[0]
            # A function gets numbers as they are; whoever reads words gets them written out.
            if kind == "text" and name not in self.read_here and not only_texts(self.values.get(name)):
                kind = "any"
            level: Level = (name,) if sort.many or kind in MEDIA_KINDS else ()
            if level:
                self.openers[name] = level
            self.levels[name] = level
            self.kinds[name] = kind
            # What every port takes: of these videos only the sound is asked for.
            heard = kind == "video" and "audio" in sort.kinds
            found.append(Variable(name, kind, level, heard))
        return tuple(found)

    def place(self, node: StepNode) -> Step:
        """Decide the step's level, and how each input reaches it."""
        meaning = self.meanings[node.name]
        capability = meaning.capability
        places: dict[str, Place] = {}
        for ref in node.all_refs():
            places.setdefault(ref.name, ref.place)
        in_body = {ref.name for ref in node.body_refs}
        bound = list(meaning.bound)
        said = {name for _, name in bound}
        bound += [("", name) for name in dict.fromkeys(r.name for r in node.body_refs) if name not in said]
        refs = [
            Reference(name, self.levels[name], self.kinds[name], capability.port(port), places[name])
            for port, name in bound
        ]
        if node.per is not None and node.per_place is not None:
            at = level_named(node.per, self.openers, node.per_place)
        else:
            at = level_of_step(refs, node.sentence_place)
            self.check_comma(node, at)
        inputs = tuple(
            Input(ref.name, port, reach(ref, at), ref.name in in_body)
            for (port, _), ref in zip(bound, refs, strict=True)
        )
        step = Step(
            name=node.name,
            sentence=node.sentence,
            capability=capability.name,
            at=at,
            opens=capability.opens,
            kind=self.sorts[node.name].likely[0] if node.name in self.sorts else capability.output,
            inputs=inputs,
            options=self.options[node.name],
            agent=self.agents[node.name],
            per=node.per,
            pin=node.pin.target if node.pin else None,
            body=node.body,
            line=node.place.line,
        )
        self.levels[node.name] = step.level
        self.kinds[node.name] = step.kind
        if step.opens:
            self.openers[node.name] = step.level
        return step


def only_texts(value: object) -> bool:
    """Whether a value is a text, or a list of nothing but texts."""
    many = as_listed(value)
    return all(isinstance(one, str) for one in (many if isinstance(many, list | tuple) else [many]))


def made_by(capability: Capability, function: object) -> str:
    """The kind a step makes: of its capability, or of its Python function."""
    if not callable(function):
        return capability.output
    from murakkab_jupyter.agents.functions.python import output_kind

    return output_kind(function)


def takes_prompt(function: object) -> bool:
    """Whether a Python function has a parameter for the step's body."""
    try:
        return callable(function) and "prompt" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in function may have no signature
        return False
