"""What others published and ships with the package: served models, watts and prices of GPUs, and what a GPU is."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.core.figure import Figure, Source
from murakkab_jupyter.profiles.served import ServedProfile, positive

__all__ = ["Card", "CardPrice", "CardWatts", "Published", "read_published", "shipped_published"]


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its maker's data sheet has it.

    Attributes
    ----------
    gpu
        What profiles call it.
    memory_bytes
        Its memory (B).
    bf16_flops
        Floating-point operations a second in bfloat16, dense.
    source
        Where that is stated.
    """

    gpu: str
    memory_bytes: float
    bf16_flops: float
    source: str


@dataclass(frozen=True, slots=True)
class CardWatts:
    """Watts of a GPU as published: what its source calls a placeholder is a prior."""

    gpu: str
    idle_w: Figure
    peak_w: Figure


@dataclass(frozen=True, slots=True)
class CardPrice:
    """Rent of a machine with some GPUs; the figure's note says what it is, where, and where that was read."""

    gpu: str
    gpus: int
    price_usd_per_hour: Figure


@dataclass(frozen=True, slots=True)
class Published:
    """What others published: served models, watts, prices and data sheets of GPUs."""

    served: tuple[ServedProfile, ...] = ()
    watts: tuple[CardWatts, ...] = ()
    prices: tuple[CardPrice, ...] = ()
    cards: tuple[Card, ...] = ()

    def card(self, gpu: str) -> Card | None:
        """The data sheet of a GPU, if there is one here."""
        return next((one for one in self.cards if one.gpu == gpu), None)


def read_published(text: str, where: str) -> Published:
    """Read one file's text; raises `ProfileError` that names the file and the entry."""
    try:
        data: Any = json.loads(text)
    except ValueError as error:
        msg = f"The published profiles {where} do not parse: {error}."
        raise ProfileError(msg) from error
    if not isinstance(data, Mapping):
        msg = f"The published profiles {where} are no JSON object."
        raise ProfileError(msg)

    def each(key: str, read: Callable[[Any], Any]) -> tuple[Any, ...]:
        made = []
        for index, raw in enumerate(data.get(key, ())):
            try:
                made.append(read(raw))
            except ProfileError as error:
                msg = f"Entry {index} of {key} in {where}: {error.message}"
                raise ProfileError(msg) from error
            except (KeyError, TypeError, AttributeError) as error:
                msg = f"Entry {index} of {key} in {where} lacks {error}."
                raise ProfileError(msg) from error
        return tuple(made)

    return Published(
        each("served", ServedProfile.from_json),
        each("watts", card_watts),
        each("prices", card_price),
        each("cards", card),
    )


def card(raw: Mapping[str, Any]) -> Card:
    """One line of the data sheets."""
    return Card(
        str(raw["gpu"]),
        positive(raw, "memory_gb") * 1e9,
        positive(raw, "bf16_tflops") * 1e12,
        str(raw["source"]),
    )


def card_watts(raw: Mapping[str, Any]) -> CardWatts:
    """One line of the watts."""

    def figure(key: str, kind: str) -> Figure:
        value = positive(raw, key)
        source: Source = "published" if raw[kind] == "published" else "prior"
        return Figure(value, "W", value, value, source, note=str(raw["source"]))

    return CardWatts(str(raw["gpu"]), figure("idle_w", "idle_is"), figure("peak_w", "peak_is"))


def card_price(raw: Mapping[str, Any]) -> CardPrice:
    """One line of the prices."""
    usd = positive(raw, "usd_per_hour")
    note = f"{raw['what']}, {raw['region']}: {raw['source']}"
    return CardPrice(
        str(raw["gpu"]),
        int(raw["gpus"]),
        Figure(usd, "USD/h", usd, usd, "published", note=note),
    )


@functools.cache
def shipped_published() -> Published:
    """What ships with the package."""
    file = files("murakkab_jupyter.profiles") / "published.json"
    return read_published(file.read_text(encoding="utf-8"), file.name)
