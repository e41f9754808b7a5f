"""A user's own function as an agent.

    @agent(capability="object-detection", name="my-detector")
    def detect(picture, threshold=0.5):
        ...

Parameters are named after the capability's ports; others need a default and become options. The
function travels by value, as it is when the decorator runs: after changing something that it uses,
run its cell again. Its version is a fingerprint of its code, its helpers and the values they use.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import sysconfig
import threading
import types
import typing
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, get_args, get_origin, overload

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.functions.fingerprint import fingerprint
from murakkab_jupyter.agents.functions.shape import shaped
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.errors import AgentError, MurakkabError, UsageError
from murakkab_jupyter.core.kinds import KINDS

__all__ = [
    "PYTHON",
    "FunctionAgent",
    "PickledFactory",
    "agent",
    "function_agent",
    "miscalled",
    "output_kind",
    "register",
]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

PYTHON = Capability(
    name="python",
    summary="Call a Python function of the user's own.",
    ports=(Port("arguments", frozenset({"any"}), takes="either", optional=True, several=True),),
    output="any",
    unit="items",
    yields=lambda inputs, options: Yield(1.0, {"tokens": 40.0, "count": 1.0}),
)

SPECIAL = frozenset({"prompt", "sentence"})
"""Parameters that get a step's body (filled in) and its sentence."""
SETTINGS = (
    *("capability", "name", "version", "cores", "batch", "max_batch", "siblings", "memory_bytes", "gpus"),
    *("modules", "options", "quality", "kind", "library"),
)
"""What the decorator takes."""
NAME = re.compile(r"[^\W_][\w.\-]*")
"""What a pin can say."""
LARGEST = 64 * 2**20
"""Most bytes of a pickled function, with everything it refers to."""
PICKLING = threading.Lock()


@dataclass(frozen=True)
class PickledFactory:
    """A pickled maker of an agent: data until called, so that it can be sent, compared and hashed."""

    pickled: bytes
    label: str

    def __call__(self) -> Agent:
        """Make the agent."""
        import cloudpickle

        try:
            made = cloudpickle.loads(self.pickled)()
        except Exception as error:
            msg = f"{self.label} cannot be made here: {type(error).__name__}: {error}."
            raise AgentError(msg, hint="Install the packages it uses on the workers too.") from error
        if not isinstance(made, Agent):
            msg = f"{self.label} makes a {type(made).__name__}, not an Agent."
            raise AgentError(msg)
        return made

    def __repr__(self) -> str:
        return f"PickledFactory({self.label!r}, {len(self.pickled)} bytes)"


class FunctionAgent(Agent):
    """Calls a function, for one item at a time or for a whole batch."""

    def __init__(
        self, function: Callable[..., Any], name: str, capability: Capability, *, batch: bool, kind: str
    ) -> None:
        self.function = function
        self.name = name
        self.capability = capability
        self.batch = batch
        self.kind = kind
        self.options: Mapping[str, Any] = {}
        self.accepted = parameters_of(function)

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Keep the options that the function takes."""
        stated = {port.name for port in self.capability.ports if port.stated and "**" in self.accepted}
        self.options = {key: value for key, value in options.items() if key in self.accepted or key in stated}

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        """One value for each item; one that the function raises on fails alone (unless it takes whole batches)."""
        if self.batch:
            return self.together(batch)
        return [self.one(inputs) for inputs in batch]

    def one(self, inputs: Inputs) -> Any:
        """The value of one item, or why it failed."""
        try:
            positional, keywords = self.arguments(inputs)
            value = self.function(*positional, **keywords)
        except MurakkabError as error:
            return Failed(str(error))
        except SystemExit as error:  # the process goes on: others' items are in it
            return Failed(f"{self.name} {exited(error)}.")
        except Exception as error:  # noqa: BLE001 - whatever it raises, only this item fails
            return Failed(raised(self.name, error))
        return self.checked(value, inputs)

    def together(self, batch: Sequence[Inputs]) -> list[Any]:
        """The values of a whole batch; what the function raises fails the call."""
        columns: dict[str, list[Any]] = {}
        for inputs in batch:
            _, keywords = self.arguments(inputs, named_only=True)
            for key, value in keywords.items():
                columns.setdefault(key, []).append(value)
        ports = {port.name for port in self.capability.ports}
        constant = {
            key: columns.pop(key)[0] for key in list(columns) if key in self.options and key not in ports
        }
        try:
            made = self.function(**columns, **constant)
            several = isinstance(made, Iterable) and not isinstance(made, str | bytes | Mapping)
            values = list(made) if several else []  # a generator runs the user's code
        except SystemExit as error:
            msg = f"{self.name} {exited(error)}."
            raise AgentError(msg) from error
        if not several:
            msg = f"{self.name} returned a {type(made).__name__} for a batch of {len(batch)} items."
            raise AgentError(
                msg, hint="With batch=True the function returns a list: one value for each item."
            )
        if len(values) != len(batch):
            msg = f"{self.name} returned {len(values)} values for {len(batch)} items."
            raise AgentError(msg, hint="Return one value for each item, in the same order.")
        return [self.checked(value, inputs) for value, inputs in zip(values, batch, strict=True)]

    def arguments(self, inputs: Inputs, *, named_only: bool = False) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments of one call."""
        keywords = dict(self.options)
        keywords |= {
            key: value
            for key, value in (("prompt", inputs.prompt), ("sentence", inputs.sentence))
            if key in self.accepted
        }
        if self.capability.name != PYTHON.name:
            for port in self.capability.ports:
                if port.name not in self.accepted and "**" not in self.accepted:
                    continue
                if port.name in inputs.values:
                    keywords[port.name] = plain(inputs.values[port.name], port)
                elif not keywords.get(port.name):
                    # Neither a reference nor the sentence says it: its own default, else None.
                    keywords.pop(port.name, None)
                    if port.optional and self.accepted.get(port.name, True):
                        keywords[port.name] = None
            return [], keywords
        given: list[tuple[str, Any]] = list(inputs.values.get("arguments") or ())
        if named_only or all(name in self.accepted for name, _ in given):
            return [], keywords | dict(given)
        return [value for _, value in given], keywords

    def checked(self, value: Any, inputs: Inputs) -> Any:
        """A value of the step's kind, or why it is none."""
        if isinstance(value, Failed):
            return value
        if not self.capability.opens and isinstance(value, types.GeneratorType):
            return Failed(
                f"{self.name} returned a generator, which gives its items only once and cannot leave its "
                "process: return a list of them."
            )
        if not self.capability.opens:
            return shaped(value, self.kind, self.name, inputs)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            return Failed(
                f"{self.name} returned a {type(value).__name__}; {self.capability.name} makes a list."
            )
        try:
            children = [shaped(part, self.kind, self.name, inputs) for part in value]
        except SystemExit as error:
            return Failed(f"{self.name} {exited(error)}.")
        except Exception as error:  # noqa: BLE001 - a generator runs the user's code
            return Failed(raised(self.name, error))
        return next((child for child in children if isinstance(child, Failed)), children)


def plain(value: Any, port: Port) -> Any:
    """What a function gets of a port that takes several references: the value of the only one, else a dict by their names."""
    if not port.several or not isinstance(value, list | tuple):
        return value
    return value[0][1] if len(value) == 1 else dict(value)


def exited(error: SystemExit) -> str:
    """What a function did that ends its process, in words."""
    code = "" if error.code is None else repr(error.code)
    return f"called sys.exit({code}): to give an item up, raise an exception or return Failed(reason)"


def raised(name: str, error: Exception) -> str:
    """What a function raised, and in which of its lines."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" (line {place.tb_lineno} of {place.tb_frame.f_code.co_name})" if place is not None else ""
    hint = ""
    if isinstance(error, NameError):
        hint = " A function is taken as it is when its cell runs: define what it uses first, then run its cell again."
    return f"{name} raised {type(error).__name__}: {error}{where}.{hint}"


def parameters_of(function: Callable[..., Any]) -> dict[str, bool]:
    """Names of parameters, and whether each must be given; `**` where it takes any keyword."""
    found: dict[str, bool] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            found["**"] = False
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            found[parameter.name] = parameter.default is parameter.empty
    return found


def options_of(function: Callable[..., Any], capability: Capability) -> tuple[Option, ...]:
    """Parameters with a plain default that are no ports become options; others, and ports that lack one, raise `AgentError`."""
    ports = {port.name for port in capability.ports}
    options = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ports | SPECIAL or parameter.kind in {
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        }:
            continue
        plain = type(parameter.default) in (bool, int, float, str)
        if capability.name == PYTHON.name and not (plain and parameter.kind is parameter.KEYWORD_ONLY):
            continue
        if not plain:
            if parameter.default is not parameter.empty:
                continue
            msg = f"{called(function)} has a parameter {parameter.name!r}, which is no port of {capability.name}."
            raise AgentError(
                msg,
                hint=f"Its ports are {', '.join(sorted(ports))}. Another parameter needs a default (it becomes an option).",
            )
        options.append(Option(parameter.name, type(parameter.default), parameter.default))
    accepted = parameters_of(function)
    missing = [port.name for port in capability.ports if not port.optional and port.name not in accepted]
    if missing and "**" not in accepted and capability.name != PYTHON.name:
        msg = f"{called(function)} lacks the parameter {missing[0]!r} of {capability.name}."
        raise AgentError(
            msg, hint=f"Write def {called(function)}({', '.join(port.name for port in capability.ports)})."
        )
    return (*options, *stated_options(capability, accepted))


def stated_options(capability: Capability, accepted: Container[str]) -> tuple[Option, ...]:
    """Options for what a sentence may state in words instead of a reference (`into "praise, complaint"`)."""
    return tuple(
        Option(port.name, str, "", help="As the sentence says it.")
        for port in capability.ports
        if port.stated and (port.name in accepted or "**" in accepted)
    )


def miscalled(function: Callable[..., Any], names: Sequence[str]) -> str:
    """Why a function cannot be called with the values that a step refers to (by name where it knows all, else in order); empty where it can."""
    try:
        accepted = parameters_of(function)
        special: dict[str, Any] = dict.fromkeys(SPECIAL & accepted.keys(), "")
        by_name = all(name in accepted for name in names)
        given: tuple[str, ...] = () if by_name else tuple(names)
        keywords = special | (dict.fromkeys(names, "") if by_name else {})
        inspect.signature(function).bind(*given, **keywords)
    except TypeError as error:
        return str(error)
    except ValueError:  # a built-in function may have no signature
        return ""
    return ""


def called(function: object) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def output_kind(function: Callable[..., Any]) -> str:
    """The kind a function makes, by its return annotation: `str` is text, `Boxes` boxes, anything unknown `any`.

    A function of a `python` step makes one value for each item, so `list[str]` is `any`: a list.
    """
    try:
        stated = typing.get_type_hints(function).get("return")
    except Exception:  # noqa: BLE001 - an annotation is only a hint, whatever it holds
        return "any"
    if get_origin(stated) in {typing.Union, types.UnionType}:
        rest = [part for part in get_args(stated) if part not in (type(None), Failed)]
        stated = rest[0] if len(rest) == 1 else None
    base = get_origin(stated) or stated
    return next((name for name, kind in KINDS.items() if name != "any" and kind.type is base), "any")


@contextmanager
def by_value(module: types.ModuleType) -> Any:
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def is_local(module_name: str) -> bool:
    """Whether a module is a file of the user's own, which other hosts may lack: neither installed nor built in."""
    module = sys.modules.get(module_name)
    file = getattr(module, "__file__", None)
    if not file or module_name == "__main__" or module_name.split(".", maxsplit=1)[0] == "murakkab_jupyter":
        return False
    return not any(file.startswith(str(sysconfig.get_path(key))) for key in ("purelib", "platlib", "stdlib"))


def pickled(maker: Callable[[], Agent], source: object, name: str) -> PickledFactory:
    import cloudpickle

    module_name = str(getattr(source, "__module__", "__main__"))
    shipping: AbstractContextManager[Any] = (
        by_value(sys.modules[module_name]) if is_local(module_name) else nullcontext()
    )
    try:
        with PICKLING, shipping:
            data = cloudpickle.dumps(maker)
    except Exception as error:
        msg = f"{name} cannot be sent to workers: {error}."
        raise AgentError(
            msg, hint="Open files, connections and locks inside the function, not around it."
        ) from error
    if len(data) > LARGEST:
        msg = f"{name} takes {len(data) / 2**20:.0f} MiB along with it; {LARGEST // 2**20} are allowed."
        raise AgentError(msg, hint="Load large data inside the function, from a file that workers can reach.")
    return PickledFactory(data, name)


def spec_of(
    target: Callable[..., Any],
    capability: Capability,
    name: str,
    *,
    version: str | None = None,
    cores: int = 1,
    batch: bool = False,
    max_batch: int | None = None,
    siblings: bool = False,
    memory_bytes: int = 200_000_000,
    gpus: int = 0,
    modules: Sequence[str] = (),
    options: Sequence[Option] = (),
    kind: str | None = None,
    quality: float | None = None,
) -> AgentSpec:
    """The spec of a function or a subclass of `Agent`, with the settings of `agent`; raises `AgentError` for what can be none."""
    if quality is not None and not 0 <= quality <= 1:
        msg = f"The quality of {name} lies between 0 and 1, not {quality!r}."
        raise AgentError(msg, hint="State the share of its outputs that are right, or leave it out.")
    summary = (inspect.getdoc(target) or f"The function {called(target)}.").strip().splitlines()[0]
    if isinstance(target, type) and issubclass(target, Agent):
        factory = pickled(target, target, name)
        named = {option.name for option in options}
        told = stated_options(capability, {port.name for port in capability.ports})
        found = (*options, *(one for one in told if one.name not in named))
    else:
        if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
            msg = f"{called(target)} is async; an agent is a plain function."
            raise AgentError(msg, hint="Call asyncio.run(...) inside a plain function.")
        if not callable(target):
            msg = f"A {type(target).__name__} is no function."
            raise AgentError(msg, hint="Decorate a function, or a subclass of Agent.")
        stated = {option.name for option in options}
        found = (*options, *(one for one in options_of(target, capability) if one.name not in stated))
        factory = pickled(
            partial(FunctionAgent, target, name, capability, batch=batch, kind=kind or capability.output),
            target,
            name,
        )
    return AgentSpec(
        name=name,
        version=version or fingerprint(target),
        capability=capability.name,
        summary=summary,
        factory=factory,
        options=found,
        needs=Needs(modules=tuple(modules), memory_bytes=memory_bytes, gpus=gpus),
        max_cores=max(1, cores),
        max_batch=max_batch or (64 if batch else 16),
        siblings=siblings,
        quality=quality,
    )


@overload
def agent(function: Decorated, /) -> Decorated: ...
@overload
def agent(
    *,
    capability: str = ...,
    name: str | None = ...,
    version: str | None = ...,
    cores: int = ...,
    batch: bool = ...,
    max_batch: int | None = ...,
    siblings: bool = ...,
    memory_bytes: int = ...,
    gpus: int = ...,
    modules: Sequence[str] = ...,
    options: Sequence[Option] = ...,
    quality: float | None = ...,
    library: Library | None = ...,
) -> Callable[[Decorated], Decorated]: ...
def agent(
    function: Callable[..., Any] | None = None,
    /,
    *,
    capability: str = "python",
    name: str | None = None,
    library: Library | None = None,
    **settings: Any,
) -> Any:
    """Make a function (or a subclass of `Agent`) an agent of a capability.

    Parameters
    ----------
    capability
        What it offers; its parameters are named after the ports (`murakkab agents` shows them).
    name
        What pins call it; the function's name in kebab case by default.
    version
        Changes whenever its outputs may change; a fingerprint of the code by default.
    cores, gpus, memory_bytes
        What an instance uses.
    batch
        Whether the function takes lists and returns a list, one value for each item.
    max_batch
        Most items in a call.
    siblings
        Whether it gains from all items of one parent in one call (in parts of neighbours, where that is known to take long).
    modules
        Modules that workers must have.
    options
        Levers beyond its parameters with defaults, which become options by themselves.
    quality
        How well it does its step, 0..1, as you state it; unknown, which fails a quality floor, when left out.
    library
        Where to register; the default library if None. Running the cell again replaces the agent.

    Returns
    -------
    callable
        The function, unchanged.

    Raises
    ------
    UsageError
        No pin could say the name, or there is no such setting or capability.
    AgentError
        The parameters are not the ports of the capability.
    """

    def decorate(target: Decorated) -> Decorated:
        into = library if library is not None else default_library()
        known = into.capability(capability)
        chosen = name or called(target).replace("_", "-").strip("-").lower()
        for key in settings:
            if key not in SETTINGS:
                close = difflib.get_close_matches(key, SETTINGS, n=1)
                msg = f"@agent takes no {key!r}."
                raise UsageError(
                    msg, hint=f"Did you mean {close[0]}?" if close else f"There are: {', '.join(SETTINGS)}."
                )
        spec = spec_of(target, known, chosen, **settings)
        if not NAME.fullmatch(chosen):
            msg = f"{chosen[:60]!r} cannot be the name of an agent: no pin could say it."
            raise UsageError(msg, hint="Use letters, digits, dots, underscores and hyphens: name='my-agent'.")
        into.add_agent(spec, replace=True)
        return target

    return decorate if function is None else decorate(function)


def function_agent(function: Callable[..., Any], name: str) -> AgentSpec:
    """The agent of a step that pins `@python:NAME`; the caller registers it where the step is bound. Raises `AgentError` for what is no function."""
    if not callable(function):
        msg = f"{name} is a {type(function).__name__}, not a function."
        raise AgentError(msg, hint=f"Define it first: def {name}(...)")
    return spec_of(function, PYTHON, f"python:{name}", kind=output_kind(function))


def register(library: Library) -> None:
    """Register the capability; the agents are the user's."""
    library.add_capability(PYTHON)
