"""A capability: what a step needs, said without naming a model, a provider or a device.

It fixes ports, kinds, whether it yields one or many, the sentences that mean it, and the natural unit
its work is counted in. Agents of one capability are interchangeable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from murakkab_jupyter.core.kinds import Measure

__all__ = ["Capability", "Port", "Slot", "Yield"]

Takes = Literal["one", "many", "either"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input of a capability.

    Attributes
    ----------
    name
        What pins call it (`question={q}`).
    kinds
        Kinds it accepts; `any` accepts all.
    takes
        `one` value for each item, `many` (a list, gathered), or `either`.
    optional
        Whether a step may leave it out.
    several
        Whether more than one reference may be bound to it ("from {objects} and {transcript}"); its
        value is then a list of `(name, value)` pairs in the order of the sentence, even for one reference.
    stated
        Whether a sentence or a pin may state its value instead of a reference (`labels="spam, other"`): it is then
        an option of the same name.
    """

    name: str
    kinds: frozenset[str]
    takes: Takes = "one"
    optional: bool = False
    several: bool = False
    stated: bool = False

    def accepts(self, kind: str) -> bool:
        """Whether a value of this kind may be bound."""
        return "any" in self.kinds or kind == "any" or kind in self.kinds


@dataclass(frozen=True, slots=True)
class Slot:
    """A typed word of a sentence, `take {count} frames`: its value becomes the option `name`. `quoted`: only in quotes."""

    name: str
    type: type[int] | type[float] | type[str]
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Yield:
    """What an item is expected to make: `count` children (1 unless the capability opens a level), each like `each`.

    `band` is the least and the most it may be, and `why` says in a few words what the count rests on, where that is known.
    """

    count: float
    each: Measure
    band: tuple[float, float] | None = None
    why: str = ""


def one_of_everything(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    return 1.0


def same_size(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> Yield:
    return Yield(1.0, {"tokens": sum(m.get("tokens", 0.0) for m in inputs.values()), "count": 1.0})


@dataclass(frozen=True, slots=True)
class Capability:
    """What a step needs.

    Attributes
    ----------
    name
        In kebab case: `speech-to-text`.
    summary
        One sentence for people, and for matching words to steps.
    ports
        Inputs, in the order that positions bind them.
    output
        Kind of what it makes (of each child, when it opens a level).
    opens
        Whether one item makes many, which opens a level named after the step.
    patterns
        Sentences that mean it, e.g. `"take <count> (frame|frames) from {scene}"`: `{port}` stands for a
        reference (or, where the port takes several, for references joined by commas and `and`), `<slot>` for
        a value of the slot's type, `(a|b)` for either word, `[words]` for optional ones. Case, articles
        (a, an, the) and a final full stop do not count.
    slots
        The typed slots that patterns use.
    unit
        The natural unit of work: `audio_s`, `video_s`, `megapixels`, `tokens`, `items`.
    work
        `work(inputs, options) -> float`: the work of one item in `unit`, from the measures of its ports
        (`murakkab_jupyter.core.kinds.measure`; gathered and several values are summed).
    yields
        `yields(inputs, options) -> Yield`: what one item is expected to make. A prior, for planning only.
    prompted
        Whether a step of it may have a body (a prompt).
    worked
        `worked(inputs, options, made) -> float`: the same of an item that is done, where what it made tells more than its inputs
        did (of a transcript, in how many seconds somebody speaks). For profiles.
    looks
        `looks(value) -> Measure`: what a cheap look at one input of a step says beyond its measures, for `yields` and
        `work` to rest on (of a video, `scenes`); amounts that grow with `duration_s`, empty where nothing can be
        said. It must not raise, cost a fraction of a second, and remember what it saw. For planning only.
    """

    name: str
    summary: str
    ports: tuple[Port, ...]
    output: str
    opens: bool = False
    patterns: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()
    unit: str = "items"
    work: Callable[[Mapping[str, Measure], Mapping[str, Any]], float] = field(default=one_of_everything)
    yields: Callable[[Mapping[str, Measure], Mapping[str, Any]], Yield] = field(default=same_size)
    prompted: bool = False
    worked: Callable[[Mapping[str, Measure], Mapping[str, Any], Any], float] | None = None
    looks: Callable[[Any], Measure] | None = None

    def port(self, name: str) -> Port | None:
        """The port of that name, if there is one."""
        return next((port for port in self.ports if port.name == name), None)
