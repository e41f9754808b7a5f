"""How well the built-in agents classify, extract, translate, cut into passages and shorten long texts.

    python benchmarks/text_work.py                     agents without a language model
    python benchmarks/text_work.py --model             SmolLM2-135M too (minutes)
    python benchmarks/text_work.py --model --write     and kept as qualities of the reference profiles

The sets are small (40 texts, 43 fields, 12 sentences, 25 questions, 164 facts) and were written with the agents in view: the
bands are 90 % Wilson intervals, and what is kept of them is a prior.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from text_quality import DATA as SCENES
from text_quality import item, loaded, quality, scenes_of, summaries

import murakkab_jupyter.profiles

DATA = json.loads((Path(__file__).parent / "text_work.json").read_text())
SHIPPED = Path(murakkab_jupyter.profiles.__file__).parent / "reference_text.json"
LENGTHS = (60, 100, 150)
"""Words that the long texts (about 200 words each) are shortened to."""
CHUNK_WORDS = 40
WITHOUT = (
    "nearest-label",
    "minilm-label",
    "pattern-extract",
    "section-chunks",
    "fixed-chunks",
    "extractive-summary",
    "lead-summary",
)
WITH = ("smollm2-label", "smollm2-extract", "smollm2-translate", "smollm2-summary")

Score = tuple[int, int, str]


def classification(name: str, *, verbose: bool) -> Score:
    """Texts whose label is right."""
    right = number = 0
    for group in DATA["classification"]:
        _, agent = loaded(name)
        made = agent.call(
            [item({"text": [("text", text)], "labels": group["labels"]}) for text, _ in group["texts"]]
        )
        for label, (text, gold) in zip(made, group["texts"], strict=True):
            right += label == gold
            number += 1
            if verbose and label != gold:
                print(f"    {name}: {text} -> {label}, not {gold}")
    return right, number, f"right labels of {number} texts in 4 groups"


def plain(value: object) -> str:
    return re.sub(r"^(?:the|a|an) ", "", str(value).strip().lower()) if value is not None else ""


def extraction(name: str, *, verbose: bool) -> Score:
    """Fields that are right (None where the text says nothing)."""
    right = number = 0
    for one in DATA["extraction"]:
        _, agent = loaded(name)
        (made,) = agent.call([item({"text": [("text", one["text"])], "fields": one["fields"]})])
        record = made if isinstance(made, dict) else {}
        for field, gold in one["gold"].items():
            good = field in record and plain(record[field]) == plain(gold)
            right += good
            number += 1
            if verbose and not good:
                print(f"    {name}: {field} -> {record.get(field)!r}, not {gold!r}")
    return right, number, f"right fields of {number} in {len(DATA['extraction'])} texts"


def translation(name: str, *, verbose: bool) -> Score:
    """Sentences in which every word looked for occurs: far less than a good translation."""
    right = 0
    for language, text, words in DATA["translation"]:
        _, agent = loaded(name, language=language)
        (made,) = agent.call([item({"text": text})])
        good = isinstance(made, str) and all(word in made.lower() for word in words)
        right += good
        if verbose:
            print(f"    {name} {'yes' if good else 'no '}: {text} -> {made}")
    number = len(DATA["translation"])
    return right, number, f"sentences with the words looked for, of {number}"


def chunking(name: str, *, verbose: bool) -> Score:
    """Questions whose answer stands in the first passage that is found (exact search, WordLlama)."""
    right = number = 0
    for half in ("tune", "test"):
        part = SCENES[half]
        _, cutter = loaded(name, words=CHUNK_WORDS)
        _, search = loaded("wordllama-search", top_k=1)
        text = "\n".join(transcript.text for transcript, _, _ in scenes_of(part))
        (passages,) = cutter.call([item({"document": text})])
        for question, accepted, scene, at in part["questions"]:
            if scene is None or at is None:
                continue
            (found,) = search.call([item({"passages": passages, "question": question})])
            right += any(word.lower() in found[0].text.lower() for word in accepted)
            number += 1
    return (
        right,
        number,
        f"answers in the first passage found, of {number} questions, {CHUNK_WORDS} words a passage",
    )


def summarisation(name: str, *, verbose: bool) -> Score:
    """Facts kept of scenes, and of long texts that are shortened."""
    short = summaries(name, verbose=verbose)
    right, number = int(short["kept"]), int(short["number"])
    for words in LENGTHS:
        first = 0
        for half in ("tune", "test"):
            scenes = scenes_of(SCENES[half])
            facts = [fact for some in SCENES["facts"][first : first + len(scenes)] for fact in some]
            first += len(scenes)
            _, agent = loaded(name, words=words)
            (text,) = agent.call([item({"material": [("transcript", [said for said, _, _ in scenes])]})])
            right += sum(fact.lower() in text.lower() for fact in facts)
            number += len(facts)
            if verbose:
                print(f"    {name} {words}: {len(text.split())} words")
    return (
        right,
        number,
        f"key facts kept, of {number}: of 14 scenes, and of 2 long texts in {', '.join(map(str, LENGTHS))} words",
    )


SCORES = {
    "classification": classification,
    "extraction": extraction,
    "translation": translation,
    "chunking": chunking,
    "summarisation": summarisation,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("agents", nargs="*")
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    names: Sequence[str] = given.agents or (*WITHOUT, *(WITH if given.model else ()))
    rows: list[dict[str, Any]] = []
    for name in names:
        spec, _ = loaded(name)
        right, number, note = SCORES[spec.capability](name, verbose=given.verbose)
        options = {"paths": 1} if spec.option("paths") else {}
        rows.append(quality(name, options, right, number, f"{note} (benchmarks/text_work.py)"))
        print(
            f"{name:20s} {right} of {number} = {right / number:.3f} ({rows[-1]['low']}-{rows[-1]['high']})  {note}",
            flush=True,
        )
    if given.write:
        held = json.loads(SHIPPED.read_text())
        new = {row["agent"] for row in rows}
        held["qualities"] = [one for one in held["qualities"] if one["agent"] not in new] + rows
        SHIPPED.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
