"""What the documents name is there: files, headings, verbs, options, modules."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from murakkab_jupyter.verbs import OPTIONS, VERBS
from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS, OTHER_OPTIONS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(
    r"(?<![\w./$~-])((?:[\w*-]+/)+(?:[\w*-]+\.(?:py|md|json|sh|ya?ml|toml|ipynb))?)(?![\w/<{])"
)
COMMAND = re.compile(r"(?<![\w.%])(%{0,2})murakkab +([a-z]+)([^\n|&;#]*)")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")


@pytest.fixture(params=PAGES, ids=lambda path: path.name)
def page(request) -> Path:
    return request.param


def snippets(text: str) -> list[str]:
    """What stands as code: lines of fenced blocks, and spans."""
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [*spans, *(line.strip() for block in FENCE.findall(text) for line in block.splitlines())]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in {slug(one) for one in headings}, target


def test_every_path_that_is_named_exists(page):
    text = page.read_text()
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    commands = [line for line in lines if re.match(r" *(python|bash) ", line)]
    rooms = [path for path in (ROOT / "murakkab_jupyter").iterdir() if path.is_dir()]
    places = (*rooms, ROOT, ROOT / "murakkab_jupyter", page.parent)
    for one in [name for part in (*spans, *commands) for name in NAMED.findall(part)]:
        if one.startswith(("my_package/", "clips/")):
            continue
        assert any(list(place.glob(one.rstrip("/"))) for place in places), one


def test_every_verb_and_option_that_is_named_exists(page):
    verbs = {verb.name: verb for verb in VERBS}
    for one in snippets(page.read_text()):
        for percent, name, rest in COMMAND.findall(one):
            given = set(OPTION.findall(rest))
            if percent == "%%":
                assert given <= {*GOAL_OPTIONS, *OTHER_OPTIONS}, one
                continue
            face = "magic" if percent else "cli"
            assert name in verbs, one
            assert face in verbs[name].faces, one
            takes = {key for key in verbs[name].options if face in OPTIONS[key].faces} | {"help"}
            assert given <= takes | set(GOAL_OPTIONS if verbs[name].goal else ()), one
        if one.startswith("--"):
            assert set(OPTION.findall(one)) <= {*GOAL_OPTIONS, *OTHER_OPTIONS, *OPTIONS}, one


def test_every_name_that_is_imported_exists(page):
    for block in FENCE.findall(page.read_text()):
        for module, names in re.findall(
            r"^from (murakkab_jupyter[\w.]*) import ([\w, ]+)$", block, re.MULTILINE
        ):
            found = importlib.import_module(module)
            assert all(hasattr(found, name.strip()) for name in names.split(",")), (module, names)


def test_the_site_has_every_page_of_the_docs():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = [path for entry in nav for path in entry.values()]
    assert sorted(listed) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_the_architecture_names_every_module_in_the_row_of_its_folder():
    package = ROOT / "murakkab_jupyter"
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `([\w/]+)/` \| (.*) \|$", text, re.MULTILINE))
    folders = {path.parent.relative_to(package).as_posix() for path in package.rglob("*.py")} - {"."}
    assert set(rows) == folders
    lacking = {
        path.relative_to(package).as_posix()
        for room, says in rows.items()
        for path in (package / room).glob("[!_]*.py")
        if f"`{path.stem}`" not in says
    }
    lacking |= {path.name for path in package.glob("[!_]*.py") if f"`{path.name}`" not in text}
    assert lacking == set()


def test_the_checks_see_what_they_are_for():
    text = (
        "`murakkab plan X --frsh`, `benchmarks/none.py` and `%murakkab pln`.\n\n```bash\nmurakkab runn\n```\n"
    )
    assert [name for one in snippets(text) for _, name, _ in COMMAND.findall(one)] == ["plan", "pln", "runn"]
    assert OPTION.findall(text) == ["frsh"]
    assert NAMED.findall("benchmarks/none.py and planner/ but no /tmp/x.py") == [
        "benchmarks/none.py",
        "planner/",
    ]
    assert slug("Hardware that one does not have") == "hardware-that-one-does-not-have"


def test_every_package_of_the_notebook_extra_is_used():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.split(r"[<>=!~\[ ]", one)[0] for one in extras["notebook"]}
    # A kernel to run in and a front end to show it: neither is imported, both are what a notebook is.
    imported = "\n".join(path.read_text() for path in (ROOT / "murakkab_jupyter").rglob("*.py"))
    assert [one for one in names - {"ipykernel", "jupyterlab"} if f"import {one}" not in imported] == []


def test_the_package_of_the_page_on_extending_can_be_added():
    """Its names are not taken by what is built in, and its capability and agent are accepted."""
    from murakkab_jupyter.agents.library import Library

    blocks = FENCE.findall((ROOT / "docs" / "extending.md").read_text())
    (code,) = [block for block in blocks if "def register(library)" in block]
    package: dict[str, object] = {}
    exec(code, package)
    library = Library()
    library.load_entry_points()
    package["register"](library)  # the function of the example
    assert [one.name for one in library.agents("transliteration")] == ["tiny-scribe"]
