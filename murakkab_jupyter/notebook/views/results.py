"""What came out: answers with their evidence on top, then one card a scene, then tables for the rest."""

from __future__ import annotations

import base64
import builtins
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry, Level, format_ancestry, format_level, is_prefix
from murakkab_jupyter.core.kinds import Answer, Audio, Document, Evidence, Frame, Image, Passage, Scene, Video
from murakkab_jupyter.notebook.views.answer import answer_html, answer_text
from murakkab_jupyter.notebook.views.failures import MOST_FAILURES, failures_html, failures_text
from murakkab_jupyter.notebook.views.html import (
    BORDER,
    Bundle,
    Cell,
    Html,
    clean,
    coded,
    frame,
    heading,
    note,
    shorten,
    table,
    tag,
    text_table,
    wrap_text,
)
from murakkab_jupyter.notebook.views.values import names_apart, place_of, value_html, value_words
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["MOST_CARDS", "MOST_LINES", "MOST_ROWS", "RUN_NAME", "TERMINAL_LINES", "Results", "results_view"]

MOST_CARDS = 60
MOST_ROWS = 200
BRIEF_ANSWERS = 3
FEW_ROWS = 30
"""So many rows of a table are shown however long their values are."""
ROW_BYTES = 16_000
"""Bytes that the rows of a table may take: many short ones, or fewer long ones."""
MOST_LINES = 12
"""Cards or rows in the text beside the HTML, which front ends show that show no HTML."""
TERMINAL_LINES = 200
"""The same, where nothing stands beside the text."""
THUMBNAIL_BYTES = 40_000
"""Base64 bytes of all thumbnails of a view: a saved notebook of many runs stays small."""
CARD_CHARS = 10_000
"""Characters of values that all cards share."""
LINE_CHARS = 250
"""Characters of values that each of these may take, were all alike."""
LONGEST_CELL = 600
LONGEST_TEXT_CELL = 60
HIDDEN = frozenset({"vector", "frame"})
"""Kinds that say nothing as words."""

RUN_NAME = "murakkab_run"
"""The variable that always holds the latest run of a notebook."""

Thumbnail = Callable[[Any, int], bytes]
Failure = tuple[str, Ancestry, str]


@dataclass(frozen=True, slots=True)
class Results:
    """What a results view needs.

    Attributes
    ----------
    workflow
        Whose results they are.
    values
        For each step (and variable, where known) its values by ancestry; the root's is `()`.
    failures
        `(step, ancestry, message)` of items that failed.
    thumbnail
        `thumbnail(scene, frame, image or video, width) -> JPEG bytes`; None for no pictures.
    variable
        The variable of Python that holds the run; empty for its workflow's name, where that can be one, else
        `murakkab_run`. None on a terminal, where there are no variables.
    """

    workflow: Workflow
    values: Mapping[str, Mapping[Ancestry, Any]]
    failures: Sequence[Failure] = field(default=())
    thumbnail: Thumbnail | None = None
    variable: str | None = ""
    names: Mapping[str, str] = field(init=False)
    """What to call files that share a name, by path."""

    def __post_init__(self) -> None:
        media = {path for own in self.values.values() for value in own.values() for path in paths_of(value)}
        object.__setattr__(self, "names", names_apart(media))
        if self.variable == "":
            object.__setattr__(self, "variable", variable_for(self.workflow.name))

    def at(self, name: str, key: Ancestry) -> list[Any]:
        """The values of a step that lie at or under `key`."""
        return [value for own, value in self.values.get(name, {}).items() if is_prefix(key, own)]


def variable_for(name: str) -> str:
    """The variable that holds the run of a workflow of this name, as far as the name tells."""
    usable = name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name)
    return name if usable else RUN_NAME


def paths_of(value: object) -> list[str]:
    """The paths of the files that a value lies in, or that it was found in."""
    match value:
        case Scene():
            return [value.media.media.path]
        case Frame():
            return [value.video.media.path]
        case Video() | Audio() | Image() | Document():
            return [value.media.path]
        case Passage() if value.origin is not None:
            return [value.origin.source]
        case list() | tuple():
            return [path for one in value if isinstance(one, Passage) for path in paths_of(one)]
    return []


def results_view(
    results: Results, *, title: str = "Results", most_lines: int = MOST_LINES, brief: str = ""
) -> Bundle:
    """Answers, cards and tables of a run; failed items are listed by ancestry.

    `most_lines` cards or rows stand in the text: few where HTML stands beside it, more for a terminal. With `brief`,
    words that say where they are found, no cards and tables are shown, and few answers.
    """
    workflow = results.workflow
    answers = [
        (step.name, key, value)
        for step in workflow.steps
        if step.kind == "answer"
        for key, value in results.values.get(step.name, {}).items()
    ]
    level = card_level(workflow)
    carded = {step.name for step in workflow.steps if level is not None and is_prefix(level, step.level)}
    answered = {step.name for step in workflow.steps if step.kind == "answer" and step.level != level}
    shown_answers = [one for one in answers if one[0] in answered]
    rest = [
        step.name
        for step in workflow.steps
        if step.name not in carded and step.name not in answered and step.kind not in HIDDEN
    ]
    parts: list[Html | None] = []
    lines: list[str] = []
    made = sum(
        len(values) for name, values in results.values.items() if any(s.name == name for s in workflow.steps)
    )
    detail = f"{workflow.name or 'this workflow'} · {made:,} {'value' if made == 1 else 'values'}"
    if results.failures:
        detail += f" · {len(results.failures)} failed"
    cards = [] if brief or level is None else card_keys(results, level, carded)
    if shown_answers:
        html, text = answers_part(results, shown_answers, BRIEF_ANSWERS if brief else MOST_ROWS)
        parts += html
        lines += text
    if brief:
        parts.append(note(*coded(brief)))
        lines += ["", wrap_text(brief)]
        rest, level = [], None
    for name_level, names in by_level(workflow, rest):
        html_table, text = table_part(results, name_level, names, most_lines)
        parts.append(html_table)
        lines += text
    if level is not None:
        html_cards, text = cards_part(results, level, cards, sorted_names(workflow, carded), most_lines)
        parts += html_cards
        lines += text
    if not made:
        parts.append(note("Nothing has been made yet."))
        lines.append("Nothing has been made yet.")
    most = BRIEF_ANSWERS if brief else MOST_FAILURES
    parts.append(failures_html(results.failures, most))
    lines += failures_text(results.failures, most)
    shown = frame(f"{title} of {workflow.name or 'this workflow'}", heading(title, detail), *parts)
    return Bundle(shown, clean("\n".join([f"{title}: {detail}", *lines])))


def sorted_names(workflow: Workflow, names: set[str]) -> list[str]:
    return [step.name for step in workflow.steps if step.name in names]


def card_level(workflow: Workflow) -> Level | None:
    """The level that gets a card each: of scenes, else of media files; None for a workflow without media."""
    scenes = [step.level for step in workflow.steps if step.kind == "scene" and step.opens]
    if scenes:
        return max(scenes, key=len)
    for kinds in ({"video", "audio"}, {"image"}):
        for variable in workflow.variables:
            if variable.kind in kinds and variable.level:
                return variable.level
    return None


def by_level(workflow: Workflow, names: Sequence[str]) -> list[tuple[Level, list[str]]]:
    """Steps grouped by the level their values live at, shallow ones first."""
    groups: dict[Level, list[str]] = {}
    for name in names:
        groups.setdefault(workflow.level_of(name), []).append(name)
    return sorted(groups.items(), key=lambda pair: len(pair[0]))


# --- answers --------------------------------------------------------------------------------------------------


def answers_part(
    results: Results, answers: Sequence[tuple[str, Ancestry, Any]], most: int
) -> tuple[list[Html | None], list[str]]:
    html: list[Html | None] = []
    lines: list[str] = []
    for name, key, value in answers[:most]:
        where = owner(results, key)
        question = asked(results, name)
        said = value if isinstance(value, Answer) else Answer(value_words(value, names=results.names))
        head = f"{name} · {where}" if where else name
        html.append(answer_html(said, head=head, question=question, names=results.names))
        lines += ["", *answer_text(said, head=head, question=question, names=results.names)]
    if len(answers) > most:
        left = more(results, len(answers) - most, "answers")
        html.append(note(left))
        lines.append(left)
    return html, lines


def asked(results: Results, name: str) -> str:
    """The question of an answering step, when it is a text at the root."""
    step = results.workflow.step(name)
    for one in step.inputs_of("question"):
        values = results.values.get(one.source, {})
        if () in values and isinstance(values[()], str):
            return shorten(values[()], 300)
    return ""


def owner(results: Results, key: Ancestry) -> str:
    """The file or scene that an ancestry stands for, in words; the ancestry itself where no value tells."""
    for size in range(len(key), 0, -1):
        part = key[:size]
        value = results.values.get(part[-1][0], {}).get(part)
        if value is not None and (place := place_of(value, results.names)):
            return place
    return format_ancestry(key) if key else ""


# --- cards ----------------------------------------------------------------------------------------------------


def card_keys(results: Results, level: Level, names: Iterable[str]) -> list[Ancestry]:
    """The ancestries that get a card each."""
    return sorted(
        set(results.values.get(level[-1], {}))
        | {own[: len(level)] for name in names for own in results.values.get(name, {})}
    )


def scene_at(results: Results, evidence: Evidence, keys: Iterable[Ancestry]) -> Ancestry | None:
    """Which of these scenes evidence begins in; files are told apart by their paths, which no view holds."""
    if evidence.start_s is None:
        return None
    for key in keys:
        scene = results.values.get(key[-1][0], {}).get(key)
        if (
            isinstance(scene, Scene)
            and scene.media.media.path == evidence.source
            and scene.start_s <= evidence.start_s < scene.end_s
        ):
            return key
    return None


def cards_part(
    results: Results, level: Level, keys: Sequence[Ancestry], names: Sequence[str], most_lines: int
) -> tuple[list[Html | None], list[str]]:
    opener = level[-1]
    if not keys:
        return [], []
    shown = keys[:MOST_CARDS]
    fields = [
        name
        for name in names
        if name != opener and results.workflow.kind_of(name) not in HIDDEN and results.values.get(name)
    ]
    # Summaries say most, so they come first; the order of the workflow otherwise.
    sinks = {step.name for step in results.workflow.sinks()}
    fields.sort(key=lambda name: name not in sinks)
    width = 144 if len(shown) <= 12 else 120 if len(shown) <= 24 else 96
    longest = share_of(CARD_CHARS, len(shown) * len(fields), 100, 700)
    budget = THUMBNAIL_BYTES
    cards: list[Html] = []
    lines: list[str] = ["", f"{format_level(level)}: {len(keys):,}"]
    told = shown[:most_lines]
    brief = share_of(LINE_CHARS * most_lines, len(told) * len(fields), 60, 700)
    for number, key in enumerate(shown):
        where = owner(results, key)
        picture, size = thumbnail_of(results, key, width, budget)
        budget -= size
        entries = [(name, merged(results, name, key)) for name in fields]
        cards.append(card(where, format_ancestry(key), picture, entries, longest, results.names))
        if number >= len(told):
            continue
        lines += ["", f"  {where}" if where else f"  {format_ancestry(key)}"]
        for name, value in entries:
            words = "failed" if value is MISSING else value_words(value, brief, results.names)
            lines.append(wrap_text(f"{name}: {words}", indent="    "))
    html: list[Html | None] = [
        tag("div", format_level(level), f" ({len(keys):,})", style="margin:8px 0 4px;font-weight:600"),
        tag(
            "div",
            *cards,
            class_="ms-cards",
            style="display:grid;grid-template-columns:repeat(auto-fill,minmax(min(340px,100%),1fr));gap:10px;margin:0 0 8px",
        ),
    ]
    if len(keys) > len(shown):
        html.append(note(more(results, len(keys) - len(shown))))
    if len(keys) > len(told):
        lines += ["", f"  {more(results, len(keys) - len(told))}"]
    return html, lines


def more(results: Results, count: int, things: str = "") -> str:
    """How many are not shown, and how to see them all."""
    name = results.variable
    where = (
        "`murakkab export FILE` writes them all"
        if name is None
        else f"all are in {name}.outputs and {name}.to_pandas()"
    )
    return f"and {count:,} more{f' {things}' if things else ''}: {where}."


def fitting(sizes: Iterable[int], room: int, least: int) -> int:
    """How many of the first rows fit into so many bytes; `least` are always shown."""
    taken = count = 0
    for size in sizes:
        taken += size
        if taken > room and count >= least:
            break
        count += 1
    return count


def row_bytes(cells: Sequence[Cell]) -> int:
    """About what a row of a table takes."""
    return 40 + sum(35 + len(str(cell.text)) + len(cell.detail) for cell in cells)


def share_of(chars: int, parts: int, least: int, most: int) -> int:
    """How long each of so many values may be, for all of them to share so many characters."""
    return max(least, min(most, chars // max(1, parts)))


MISSING = object()


def merged(results: Results, name: str, key: Ancestry) -> Any:
    """A step's value for one card: its own, or what lies under it (boxes of several frames are counted together)."""
    own = results.values.get(name, {})
    if key in own:
        return own[key]
    under = results.at(name, key)
    if not under:
        failed = any(step == name and is_prefix(key, where) for step, where, _ in results.failures)
        return MISSING if failed else None
    if len(under) == 1:
        return under[0]
    return under


def card(
    where: str,
    ancestry: str,
    picture: Html | None,
    entries: Sequence[tuple[str, Any]],
    longest: int,
    names: Mapping[str, str],
) -> Html:
    fields = []
    for name, value in entries:
        shown = tag("em", "failed, see below") if value is MISSING else value_html(value, longest, names)
        # Not `p`, which a value of several lines would close.
        fields.append(tag("div", tag("small", name), tag("br"), shown, class_="ms-field"))
    return tag(
        "div",
        tag("div", tag("strong", where or ancestry), title=ancestry, style="padding:4px 10px"),
        picture,
        tag("div", *fields, style="padding:6px 10px 4px;overflow:hidden"),
        role="group",
        aria_label=where or ancestry,
        class_="ms-card",
        style=f"border:{BORDER};border-radius:8px;overflow:hidden",
    )


def thumbnail_of(results: Results, key: Ancestry, width: int, budget: int) -> tuple[Html | None, int]:
    """The picture of a card and its size; none when there is no picture, no budget, or the file cannot be read now."""
    value = results.values.get(key[-1][0], {}).get(key)
    if results.thumbnail is None or budget <= 0 or not isinstance(value, Scene | Frame | Image | Video):
        return None, 0
    if isinstance(value, Scene):
        if not isinstance(value.media, Video):
            return None, 0
        value = Frame(value.media, (value.start_s + value.end_s) / 2)
    elif isinstance(value, Video):
        value = Frame(value, value.duration_s / 2)
    try:
        data = results.thumbnail(value, width)
    except Exception:  # noqa: BLE001 - a picture that cannot be read now must not hide the results
        return None, 0
    encoded = base64.b64encode(data).decode("ascii")
    if len(encoded) > budget:
        return None, 0
    return (
        tag(
            "img",
            src=f"data:image/jpeg;base64,{encoded}",
            alt=f"A still of {place_of(value, results.names)}",
            data_murakkab_still=format_ancestry(key),
            width=width,
            style="float:left;max-width:45%;height:auto;margin:8px 0 8px 8px;border-radius:4px",
        ),
        len(encoded),
    )


# --- tables ---------------------------------------------------------------------------------------------------


def listed(columns: Sequence[tuple[str, Any]], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Rows with long values in text: one below the other, nothing cut."""
    lines: list[str] = []
    for first, *rest in rows:
        lines.append(f"  {first.text}" + (f" ({shorten(first.detail, 80)})" if first.detail else ""))
        for (title, _), cell in zip(columns[1:], rest, strict=True):
            lines.append(wrap_text(f"{title}: {cell.text}", indent="    "))
    return lines


def table_part(
    results: Results, level: Level, names: Sequence[str], most_lines: int
) -> tuple[Html | None, list[str]]:
    """One table for the steps that live at one level; the root's values stand below each other."""
    held = [name for name in names if results.values.get(name)]
    if not held:
        return None, []
    called = results.names
    if level == ():
        columns: list[tuple[str, Any]] = [("Step", "left"), ("Value", "left")]
        rows = [(name, results.values[name].get(())) for name in held]
        return (
            table(
                columns,
                [
                    [Cell(n), Cell(value_words(v, 1500, called), markup=value_html(v, 1500, called))]
                    for n, v in rows
                ],
                caption="Results of the whole workflow",
            ),
            ["", *(wrap_text(f"{n}: {value_words(v, 1500, called)}") for n, v in rows)],
        )
    keys = sorted({key for name in held for key in results.values[name]})
    columns = [(format_level(level), "left"), *((name, "left") for name in held)]
    source = results.values.get(level[-1], {})

    def row(key: Ancestry, longest: int) -> list[Cell]:
        known = key in source and level[-1] not in held
        of = value_words(source[key], min(120, longest), called) if known else ""
        cells = [Cell(format_ancestry(key), of)]
        for name in held:
            value = results.values[name].get(key, MISSING)
            words = "–" if value is MISSING else value_words(value, longest, called)
            markup = None if value is MISSING else value_html(value, longest, called)
            cells.append(Cell(words, markup=markup))
        return cells

    longest = share_of(CARD_CHARS, min(FEW_ROWS, len(keys)) * (len(held) + 1), 80, LONGEST_CELL)
    rows_html = [row(key, longest) for key in keys[:MOST_ROWS]]
    shown = rows_html[: fitting((row_bytes(one) for one in rows_html), ROW_BYTES, FEW_ROWS)]
    parts = [table(columns, shown, caption=f"Results at {format_level(level)}")]
    room = LINE_CHARS * most_lines
    brief = share_of(room, min(most_lines, len(keys)) * (len(held) + 1), 60, LONGEST_CELL)
    rows_text = [row(key, brief) for key in keys[:MOST_ROWS]]
    told = fitting((sum(4 + len(str(one.text)) for one in cells) for cells in rows_text), room, most_lines)
    rows_text = rows_text[:told]
    widest = max((len(str(cell.text)) for row in rows_text for cell in row), default=0)
    if widest <= LONGEST_TEXT_CELL:
        lines = ["", text_table(columns, rows_text, widest=LONGEST_TEXT_CELL)]
    else:
        lines = ["", *listed(columns, rows_text)]
    if len(keys) > len(shown):
        parts.append(note(more(results, len(keys) - len(shown), "rows")))
    if len(keys) > told:
        lines.append(more(results, len(keys) - told, "rows"))
    return tag("div", *parts), lines
