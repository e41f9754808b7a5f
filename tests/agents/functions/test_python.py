"""A user's own function as an agent."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Agent, Failed, Inputs
from murakkab_jupyter.agents.functions.python import agent, function_agent, output_kind
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.errors import AgentError, UsageError
from murakkab_jupyter.core.kinds import Answer, Boxes, Transcript


@pytest.fixture
def library() -> Library:
    fresh = Library()
    fresh.load_entry_points()
    assert not fresh.broken
    return fresh


def made(library: Library, name: str, **chosen: object) -> Agent:
    spec = library.agent(name)
    loaded = spec.make()
    loaded.load(spec.settings(chosen), 1)
    return loaded


def pictures(*names: str) -> list[Inputs]:
    return [Inputs((("p", n),), {"picture": name}) for n, name in enumerate(names)]


def test_a_function_becomes_an_agent_whose_defaults_are_options(library):
    @agent(capability="object-detection", name="my-detector", library=library)
    def detect(picture, threshold=0.5):
        """Sees one thing."""
        return [(picture, threshold, 0, 0, 1, 1)]

    spec = library.agent("my-detector")
    assert spec.summary == "Sees one thing."
    assert spec.option("threshold").default == 0.5
    (boxes,) = made(library, "my-detector", threshold=0.9).call(pictures("dog"))
    assert isinstance(boxes, Boxes)
    assert (boxes.boxes[0].label, boxes.boxes[0].score) == ("dog", 0.9)
    assert detect("cat") == [("cat", 0.5, 0, 0, 1, 1)]


def test_an_item_that_the_function_raises_on_fails_alone(library):
    @agent(capability="ocr", name="reader", library=library)
    def read(picture):
        if picture == "bad":
            raise ValueError("no light")
        return picture.upper()

    results = made(library, "reader").call(pictures("a", "bad", "b"))
    assert results[0] == "A"
    assert results[2] == "B"
    assert isinstance(results[1], Failed)
    assert "ValueError: no light" in results[1].reason


def test_what_an_exception_says_of_addresses_and_keys_is_kept_without_the_keys(library):
    @agent(capability="ocr", name="caller", library=library)
    def call(picture):
        message = f"401 for http://bob:hunter2@host/{picture}?api_key=hunter2, sent Bearer hunter2-1"
        raise OSError(message)

    (failed,) = made(library, "caller").call(pictures("a"))
    assert "401 for http://***@host/a" in failed.reason
    assert "hunter2" not in failed.reason
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_too_few_values_of_a_batch_break_the_contract(library):
    @agent(capability="ocr", name="lazy", batch=True, library=library)
    def read(picture):
        return [p.upper() for p in picture][:2]

    with pytest.raises(AgentError, match="2 values for 3 items"):
        made(library, "lazy").call(pictures("a", "b", "c"))


@pytest.mark.parametrize("value", ["'abc'", "None", "7"])
def test_a_batch_function_must_return_a_list(library, value):
    namespace: dict[str, object] = {}
    exec(f"def read(picture): return {value}", namespace)
    agent(capability="ocr", name="odd", batch=True, library=library)(namespace["read"])
    with pytest.raises(AgentError, match="batch of 3"):
        made(library, "odd").call(pictures("a", "b", "c"))


def test_a_batch_function_gets_lists(library):
    @agent(capability="ocr", name="joined", batch=True, library=library)
    def read(picture, mark="!"):
        return [p + mark for p in picture]

    assert made(library, "joined", mark="?").call(pictures("a", "b")) == ["a?", "b?"]


def test_a_value_of_another_kind_fails_and_says_what_is_wanted(library):
    @agent(capability="object-detection", name="wrong", library=library)
    def detect(picture):
        return {"dog": 1}

    (failed,) = made(library, "wrong").call(pictures("x"))
    assert "dict" in failed.reason
    assert "Boxes" in failed.reason


def test_a_parameter_that_is_no_port_is_refused_at_once(library):
    with pytest.raises(AgentError, match="no port of ocr") as caught:
        agent(capability="ocr", library=library)(lambda image: image)
    assert "picture" in str(caught.value)


def test_a_missing_port_is_refused_at_once(library):
    with pytest.raises(AgentError, match="lacks the parameter 'picture'"):
        agent(capability="ocr", library=library)(lambda: "")


def test_an_unknown_capability_is_refused_with_the_nearest(library):
    with pytest.raises(UsageError, match="object-detection"):
        agent(capability="objekt-detection", library=library)(lambda picture: picture)


def test_an_async_function_is_refused(library):
    async def read(picture):
        return picture

    with pytest.raises(AgentError, match="async"):
        agent(capability="ocr", library=library)(read)


def test_what_cannot_travel_is_refused_in_words(library, tmp_path):
    with (tmp_path / "f").open("w") as file:

        def read(picture):
            return file.name

        with pytest.raises(AgentError, match="cannot be sent"):
            agent(capability="ocr", library=library)(read)


def test_running_the_cell_again_replaces_the_agent_and_keeps_its_version_only_if_its_code_is_the_same(
    library,
):
    def cell(source: str) -> str:
        namespace: dict[str, object] = {"__name__": "__main__"}
        exec(source, namespace)
        agent(capability="ocr", name="mine", library=library)(namespace["read"])
        return library.agent("mine").version

    first = cell("def read(picture):\n    return picture.upper()")
    assert cell("# a comment\n\ndef read(picture):\n\n    return picture.upper()  # shout") == first
    assert cell("def read(picture):\n    return picture.lower()") != first
    with_helper = cell("def help(x): return x + '1'\ndef read(picture):\n    return help(picture)")
    assert cell("def help(x): return x + '2'\ndef read(picture):\n    return help(picture)") != with_helper
    with_value = cell("LEVEL = 1\ndef read(picture):\n    return picture * LEVEL")
    assert cell("LEVEL = 2\ndef read(picture):\n    return picture * LEVEL") != with_value


def test_a_function_of_main_runs_in_another_process_by_value(library, tmp_path):
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec("FACTOR = 3\ndef read(picture):\n    return picture * FACTOR", namespace)
    agent(capability="ocr", name="mine", library=library)(namespace["read"])
    import pickle

    (tmp_path / "spec").write_bytes(pickle.dumps(library.agent("mine")))
    code = (
        "import pickle, pathlib\n"
        f"spec = pickle.loads(pathlib.Path({str(tmp_path / 'spec')!r}).read_bytes())\n"
        "from murakkab_jupyter.agents.agent import Inputs\n"
        "agent = spec.make(); agent.load(spec.settings({}), 1)\n"
        "print(agent.call([Inputs((), {'picture': 'ab'})]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ababab']"


def test_a_helper_defined_too_late_says_to_run_the_cell_again(library):
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec("def read(picture):\n    return later(picture)", namespace)
    agent(capability="ocr", name="early", library=library)(namespace["read"])
    (failed,) = made(library, "early").call(pictures("a"))
    assert "run its cell again" in failed.reason


def test_a_class_with_a_model_to_load_can_be_an_agent(library):
    @agent(capability="ocr", name="loader", library=library)
    class Reader(Agent):
        """Reads."""

        def load(self, options, cores):
            self.cores = cores

        def call(self, batch):
            return [f"{inputs.values['picture']}{self.cores}" for inputs in batch]

    assert made(library, "loader").call(pictures("a")) == ["a1"]


def test_a_plain_text_is_a_transcript_of_its_scene(library):
    @agent(capability="speech-to-text", name="ears", library=library)
    def hear(speech):
        return "hello"

    (heard,) = made(library, "ears").call([Inputs((), {"speech": "x"})])
    assert isinstance(heard, Transcript)
    assert heard.text == "hello"


def test_a_capability_that_opens_a_level_wants_a_list(library):
    @agent(capability="retrieval", name="finder", library=library)
    def find(passages, question):
        return (p for p in passages if question in p)

    item = Inputs((), {"passages": ["ab", "cd"], "question": "a"})
    assert [p.text for p in made(library, "finder").call([item])[0]] == ["ab"]


def test_a_python_step_gets_its_references_by_name_or_else_in_order():
    def pick(summary, objects):
        return f"{summary}/{objects}"

    spec = function_agent(pick, "pick")
    assert (spec.name, spec.capability) == ("python:pick", "python")
    loaded = spec.make()
    loaded.load({}, 1)
    by_name = Inputs((), {"arguments": [("objects", 2), ("summary", 1)]})
    in_order = Inputs((), {"arguments": [("a", 1), ("b", 2)]})
    assert loaded.call([by_name, in_order]) == ["1/2", "1/2"]


def test_too_many_references_fail_the_item_in_words():
    loaded = function_agent(lambda one: one, "f").make()
    loaded.load({}, 1)
    (failed,) = loaded.call([Inputs((), {"arguments": [("a", 1), ("b", 2)]})])
    assert "TypeError" in failed.reason


def test_the_return_annotation_is_the_kind():
    def text() -> str: ...
    def maybe() -> Answer | None: ...
    def many() -> list[str]: ...
    def unknown(): ...

    assert [output_kind(f) for f in (text, maybe, many, unknown)] == ["text", "answer", "any", "any"]


def test_what_is_no_function_is_refused():
    with pytest.raises(AgentError, match="not a function"):
        function_agent(7, "seven")


def test_the_default_library_takes_what_is_decorated_without_one():
    @agent(capability="ocr", name="in-default-library")
    def read(picture):
        return ""

    assert default_library().agent("in-default-library").capability == "ocr"
    assert default_library().package_of("in-default-library") == "session"


def version_of(function: Callable[..., Any]) -> str:
    return function_agent(function, "it").version


def test_the_content_of_large_values_counts_too() -> None:
    def made(table: Any) -> Callable[..., Any]:
        return lambda row: table[row]

    zeros, ones = (np.full(200_000, value) for value in (0.0, 1.0))
    assert version_of(made(zeros)) == version_of(made(zeros.copy()))
    assert version_of(made(zeros)) != version_of(made(ones))


def test_what_a_function_uses_of_a_module_of_the_users_own_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_cleaning.py").write_text(
        "def clean(text):\n    return text.strip()\n\ndef other(text):\n    return text\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("own_cleaning")
    monkeypatch.setitem(sys.modules, "own_cleaning", module)

    cell: dict[str, Any] = {"module": module, "__name__": "__main__"}
    exec("def use(text):\n    return (lambda: module.clean(text))()\n", cell)
    function = cell["use"]
    before = version_of(function)
    monkeypatch.setattr(module, "other", lambda text: text * 2)
    assert version_of(function) == before
    monkeypatch.setattr(module, "clean", lambda text: text.lower())
    assert version_of(function) != before


PARTS = {
    "the class of an object": ("class M:\n    def at(self, x):\n        return {0}\nm = M()", "m.at(x)"),
    "a property": ("class M:\n    @property\n    def at(self):\n        return {0}\nm = M()", "m.at"),
    "a bound argument": ("import functools\ng = functools.partial(max, {0})", "g(x)"),
}


@pytest.mark.parametrize("part", PARTS)
def test_code_that_a_function_reaches_counts(part: str) -> None:
    made, used = PARTS[part]

    def version_with(number: int) -> str:
        cell: dict[str, Any] = {"__name__": "__main__"}
        exec(f"{made.format(number)}\ndef f(x):\n    return {used}", cell)
        return version_of(cell["f"])

    assert version_with(1) == version_with(1)
    assert version_with(1) != version_with(2)


def test_modules_that_a_function_imports_itself_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").touch()
    cell: dict[str, Any] = {"__name__": "__main__"}
    exec("def f(x):\n    from own_package.inside import g\n    return g(x)", cell)
    (package / "inside.py").write_text("def g(x):\n    return 1\n")
    before = version_of(cell["f"])
    assert version_of(cell["f"]) == before
    (package / "inside.py").write_text("def g(x):\n    return 2\n")
    assert version_of(cell["f"]) != before


def test_a_function_behind_a_cache_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version_with(number: int) -> str:
        module = types.ModuleType("own_cached")
        module.__file__ = str(tmp_path / "own_cached.py")
        exec(f"import functools\n@functools.lru_cache\ndef g(x):\n    return {number}\n", vars(module))
        monkeypatch.setitem(sys.modules, "own_cached", module)
        cell: dict[str, Any] = {"g": module.g, "__name__": "__main__"}
        exec("def f(x):\n    return g(x)", cell)
        return version_of(cell["f"])

    assert version_with(1) == version_with(1)
    assert version_with(1) != version_with(2)


def test_a_module_that_cannot_make_a_name_and_data_that_holds_itself_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_lazy.py").write_text(
        "def __getattr__(name):\n    raise ImportError(name)\n\ndata = {}\ndata['data'] = [data]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "own_lazy", importlib.import_module("own_lazy"))
    cell: dict[str, Any] = {"module": sys.modules["own_lazy"], "__name__": "__main__"}
    exec("def f(x):\n    return module.lazy(x), module.data", cell)
    assert version_of(cell["f"]) == version_of(cell["f"])


def called_with(function: Callable[..., Any], *values: Any, **settings: Any) -> list[Any]:
    spec = function_agent(function, "it") if not settings else None
    if spec is None:
        own = Library()
        own.load_entry_points()
        agent(name="it", library=own, **settings)(function)
        spec = own.agent("it")
    loaded = spec.make()
    loaded.load(spec.settings({}), 1)
    return list(loaded.call([Inputs((), {"arguments": [("n", value)]}) for value in values]))


@pytest.mark.parametrize(("code", "said"), [(3, "3"), (None, ""), ("enough", "'enough'")])
def test_a_function_that_exits_fails_its_item_and_leaves_the_process(code: Any, said: str) -> None:
    def leave(n: int) -> int:
        if n == 2:
            sys.exit(code)
        return n

    one, two, three = called_with(leave, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert isinstance(two, Failed)
    assert f"it called sys.exit({said})" in two.reason


def test_a_function_of_whole_batches_that_exits_is_an_error() -> None:
    def leave(n: list[int]) -> list[int]:
        sys.exit(1)

    with pytest.raises(AgentError, match=r"called sys\.exit\(1\)"):
        called_with(leave, 1, 2, batch=True)


def test_a_generator_of_a_whole_batch_that_exits_is_an_error() -> None:
    def leave(n: list[int]) -> Any:
        yield 1
        sys.exit(1)

    with pytest.raises(AgentError, match=r"called sys\.exit\(1\)"):
        called_with(leave, 1, 2, batch=True)


def test_a_generator_of_a_list_that_exits_fails_its_item_and_leaves_the_process(library: Library) -> None:
    @agent(capability="retrieval", name="finder", library=library)
    def find(passages: list[str], question: str) -> Any:
        yield passages[0]
        if question == "bad":
            sys.exit("enough")

    items = [Inputs((), {"passages": ["ab"], "question": question}) for question in ("good", "bad")]
    good, bad = made(library, "finder").call(items)
    assert [passage.text for passage in good] == ["ab"]
    assert isinstance(bad, Failed)
    assert bad.reason.startswith("finder called sys.exit('enough')")


def test_a_generator_is_told_to_be_a_list() -> None:
    def count(n: int) -> Any:
        yield n

    (made,) = called_with(count, 1)
    assert isinstance(made, Failed)
    assert "return a list" in made.reason
