"""Fingerprint: a version for a user's function that changes when its outputs may.

It covers the code (not comments, spacing or line numbers), defaults, closures, and, for what the code
names: the user's own helpers in turn (what it names of the user's own modules, too), the values it uses with the code of their
classes, files of the user's own that it imports itself, and the versions of the packages of other modules.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import hashlib
import importlib.util
import inspect
import pickle
import types
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["fingerprint"]


def fingerprint(target: object) -> str:
    """Twelve hex digits; equal for equal code in any session."""
    digest = hashlib.sha256()
    for part in described(target, set()):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]


def described(value: Any, seen: set[int]) -> Iterator[bytes]:
    """Bytes that tell one value from another, without addresses."""
    if id(value) in seen:
        yield b"again"
        return
    match value:
        case types.FunctionType():
            seen.add(id(value))
            if value.__module__ and not own(value):
                yield f"{value.__module__}.{value.__qualname__} {release(value.__module__)}".encode()
                return
            yield from code_of(value.__code__)
            yield from described((value.__defaults__, value.__kwdefaults__), seen)
            for cell in value.__closure__ or ():
                yield from described(contents(cell), seen)
            for name in sorted(globals_of(value.__code__)):
                yield name.encode()
                if name in value.__globals__:
                    used = value.__globals__[name]
                    yield from described(used, seen)
                    yield from parts_of(used, value.__code__, seen)
            for name in sorted(imported(value.__code__)):
                yield from files_of(name)
        case types.MethodType():
            yield from described(value.__func__, seen)
            yield from described(vars(value.__self__) if hasattr(value.__self__, "__dict__") else None, seen)
        case type():
            seen.add(id(value))
            yield value.__qualname__.encode()
            if own(value):
                for name, part in sorted(vars(value).items()):
                    bare = part.__func__ if isinstance(part, staticmethod | classmethod) else part
                    if name not in {"__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__"}:
                        yield name.encode()
                        yield from described(bare, seen)
            else:
                yield release(value.__module__).encode()
        case types.ModuleType():
            yield f"{value.__name__} {release(value.__name__)}".encode()
        case functools.partial():
            yield from described((value.func, value.args, value.keywords), seen)
        case property():
            yield from described((value.fget, value.fset), seen)
        case functools.cached_property():
            yield from described(value.func, seen)
        case dict():
            seen.add(id(value))  # it may hold itself
            for key, part in value.items():
                yield repr(key).encode()
                yield from described(part, seen)
            seen.discard(id(value))
        case tuple() | list():
            seen.add(id(value))
            for part in value:
                yield from described(part, seen)
            seen.discard(id(value))
        case set() | frozenset():
            yield repr(sorted(map(repr, value))).encode()
        case None | bool() | int() | float() | complex() | str() | bytes():
            yield repr(value).encode()
        case _:
            yield from other(value, seen)


def other(value: Any, seen: set[int]) -> Iterator[bytes]:
    """Any other object: its type and its content, however large: results made from other data are no results of these."""
    seen.add(id(value))
    yield type(value).__qualname__.encode()
    if own(type(value)):
        yield from described(type(value), seen)
    if callable(value) and isinstance(kept := getattr(value, "__wrapped__", None), types.FunctionType):
        yield from described(kept, seen)  # behind a cache, for example
        return
    if hasattr(value, "__dict__") and own(type(value)):
        yield from described(vars(value), seen)
        return
    try:
        data = pickle.dumps(value, protocol=4)
    except Exception:  # noqa: BLE001 - what cannot be pickled is known by its type alone
        return
    yield data


def code_of(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags)).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_of(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant))).encode()
        else:
            yield repr(constant).encode()


def globals_of(code: types.CodeType) -> set[str]:
    found = {str(i.argval) for i in dis.get_instructions(code) if i.opname in {"LOAD_GLOBAL", "LOAD_NAME"}}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= globals_of(constant)
    return found


def contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def own(target: Any) -> bool:
    """Whether it was written by the user: in a notebook, or in a file that no installed package holds."""
    module = str(getattr(target, "__module__", ""))
    if module in {"", "__main__"}:
        return True
    if module == "builtins" or module.split(".", maxsplit=1)[0] == "murakkab_jupyter":
        return False
    try:
        file = inspect.getfile(target)
    except (TypeError, OSError):
        return False
    return "site-packages" not in file and "dist-packages" not in file and not file.startswith(STANDARD)


def is_own_file(file: str | None) -> bool:
    """Whether a module's file is the user's own."""
    return file is not None and not any(
        one in file for one in ("site-packages", "dist-packages", STANDARD, HERE)
    )


def parts_of(module: Any, code: types.CodeType, seen: set[int]) -> Iterator[bytes]:
    """What code may use of a module of the user's own: whatever it has under a name that the code reads from anything."""
    if not isinstance(module, types.ModuleType) or not is_own_file(getattr(module, "__file__", None)):
        return
    for name in sorted(attributes_of(code)):
        try:
            part = getattr(module, name)
        except Exception:  # noqa: BLE001, S112 - it has none, or makes it when asked and cannot now
            continue
        yield name.encode()
        if part is not module:
            yield from described(part, seen)
            yield from parts_of(part, code, seen)


def imported(code: types.CodeType) -> set[str]:
    """Modules that code imports itself, when it is called."""
    found = {str(i.argval) for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= imported(constant)
    return found


def files_of(name: str) -> Iterator[bytes]:
    """The files of a module, or of its whole package, where they are the user's own: it may not have been imported here."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None or not is_own_file(spec.origin):
        return
    file = Path(spec.origin or "")
    for one in sorted(file.parent.rglob("*.py")) if spec.submodule_search_locations else [file]:
        with contextlib.suppress(OSError):
            yield one.read_bytes()


def attributes_of(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= attributes_of(constant)
    return found


def release(module: str) -> str:
    """The version of the package a module belongs to, as far as its name tells."""
    try:
        return version(module.split(".", maxsplit=1)[0].replace("_", "-"))
    except PackageNotFoundError:
        return ""


STANDARD = inspect.getfile(inspect).rsplit("inspect", 1)[0]
HERE = str(Path(__file__).parents[2])
