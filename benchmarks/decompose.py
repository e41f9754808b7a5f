"""How well descriptions become steps: node and edge F1 on jobs of many domains, with bootstrap intervals.

    python benchmarks/decompose.py                          without a language model, on the development set
    python benchmarks/decompose.py --on held                on the half that was held apart (hash checked)
    python benchmarks/decompose.py --on strangers3          on a set of another hand (hash checked)
    python benchmarks/decompose.py --cross-sets             each set judged by what the others teach (never held)
    python benchmarks/decompose.py --learn                  fits the weights that are shipped to these sets
    python benchmarks/decompose.py --on held --model        also SmolLM2-135M in process
    python benchmarks/decompose.py --on held --url URL [NAME]  also a served model
    python benchmarks/decompose.py --on held --model --alone   … without the first guess that a model is given
    python benchmarks/decompose.py --sample 12              of so many jobs only, drawn with a fixed seed
    python benchmarks/decompose.py --verbose                shows what was wrong

F1 over all jobs together (micro): a node is a capability of a job, an edge a pair of capabilities of which the one
takes what the other makes. The interval is 95 %, over 2000 resamples of whole jobs. A job that is refused has no
nodes. What counts as right stands in benchmarks/data/decompose/README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "data" / "decompose"
SETS = {
    "development": None,
    "varied": None,
    "held": "d6fb939ad5e644a3141688029bc33c57dcb630eb7d8675ac824c1fe175178a67",
    "strangers": "73874f470c74b4557868453a8200045c3f5947f58759017565d216255987c9ba",
    "strangers2": "adf576b07627e8047bf171ec10292b5410fd80dbfd68e2c49aa1217152d5debc",
    "strangers3": "204cca3ab5cdc97eb15071c4f68d63ac5c298438cd545f7828d2926a5daf136b",
}
"""Sets of jobs, with the SHA-256 of those that are only for judging: a file that differs is refused."""
LEARNT = ("development", "varied", "strangers", "strangers2")
"""Sets that the method may learn from."""
SAMPLES = {"video": "sample.mp4", "audio": "sample.wav", "image": "sample.png", "document": "sample.md"}
RESAMPLES = 2000
HEAD = (
    "| method | node F1 (95 %) | edge F1 (95 %) | node F1, free of capability words | all right | refused | a job |\n"
    "|---|---|---|---|---|---|---|"
)

Counts = tuple[int, int, int]
"""Right, proposed, gold."""


def jobs(name: str) -> list[dict[str, Any]]:
    """One set; those for judging only as they were committed."""
    path = HERE / f"{name}.jsonl"
    data = path.read_bytes()
    if SETS[name] not in (None, hashlib.sha256(data).hexdigest()):
        sys.exit(f"{path} differs from what was held apart.")
    return [json.loads(line) for line in data.decode().splitlines()]


def sampled(name: str, count: int | None) -> list[dict[str, Any]]:
    """One set, or so many jobs of it, drawn with a fixed seed, in the set's order."""
    todo = jobs(name)
    if count is None or count >= len(todo):
        return todo
    drawn = sorted(random.Random(0).sample(range(len(todo)), count))
    return [todo[n] for n in drawn]


def values_of(job: dict[str, Any]) -> dict[str, Any]:
    """Variables as a user would have them: a path for media, a list for texts in the plural, else one text."""
    return {
        name: SAMPLES.get(kind) or (["Some words."] if name.endswith("s") else "Some words?")
        for name, kind in job["inputs"].items()
    }


def graph(
    text: str, values: dict[str, Any], wants: dict[str, str], library: Any
) -> tuple[set[str], set[tuple[str, str]]]:
    """Nodes and edges of a cell, by capability."""
    from murakkab_jupyter.workflow.language import declare

    workflow = declare(text, library=library, values={**wants, **values})
    by_name = {step.name: step.capability for step in workflow.steps}
    edges = {
        (by_name[one.source], step.capability)
        for step in workflow.steps
        for one in step.inputs
        if one.source in by_name
    }
    return set(by_name.values()), edges


def f1(counts: Sequence[Counts]) -> float:
    right, proposed, gold = (sum(column) for column in zip(*counts, strict=True))
    return 2 * right / (proposed + gold) if proposed + gold else 0.0


def interval(counts: Sequence[Counts]) -> tuple[float, float]:
    """95 % of the F1 of resampled jobs."""
    chance = random.Random(0)
    found = sorted(f1(chance.choices(counts, k=len(counts))) for _ in range(RESAMPLES))
    return found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES) - 1]


def evaluate(
    name: str,
    method: Callable[[str, dict[str, Any]], Any],
    on: str,
    verbose: bool,
    count: int | None = None,
) -> str:
    """One line of the table."""
    from murakkab_jupyter.agents.library import default_library
    from murakkab_jupyter.core.errors import MurakkabError

    library = default_library()
    nodes: list[Counts] = []
    edges: list[Counts] = []
    free: list[Counts] = []
    refused, whole = 0, 0
    begin = time.perf_counter()
    todo = sampled(on, count)
    for job in todo:
        values = values_of(job)
        gold_nodes, gold_edges = set(job["nodes"]), {tuple(edge) for edge in job["edges"]}
        try:
            draft = method(job["description"], values)
            made_nodes, made_edges = graph(draft.text, values, dict(draft.wants), library)
        except MurakkabError as error:
            refused += 1
            made_nodes, made_edges = set(), set()
            if verbose:
                print(f"  {job['id']} refused: {error}")
        nodes.append((len(made_nodes & gold_nodes), len(made_nodes), len(gold_nodes)))
        edges.append((len(made_edges & gold_edges), len(made_edges), len(gold_edges)))
        whole += made_nodes == gold_nodes and made_edges == gold_edges
        if job["free"]:
            free.append(nodes[-1])
        if verbose and (made_nodes != gold_nodes or made_edges != gold_edges):
            print(f"  {job['id']} {job['description']}")
            print(f"    lacks {sorted(gold_nodes - made_nodes)} {sorted(gold_edges - made_edges)}")
            print(f"    has   {sorted(made_nodes - gold_nodes)} {sorted(made_edges - gold_edges)}")
    seconds = (time.perf_counter() - begin) / len(todo)

    def shown(counts: Sequence[Counts]) -> str:
        low, high = interval(counts)
        return f"{f1(counts):.3f} ({low:.2f}–{high:.2f})"

    return f"| {name} | {shown(nodes)} | {shown(edges)} | {shown(free)} | {whole} of {len(todo)} | {refused} | {seconds:.2f} s |"


def learned(todo: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The cues that some jobs bear out, narrowed to the words that they were found by; paraphrases as they are."""
    from murakkab_jupyter.workflow.decompose.clauses import clauses, stripped
    from murakkab_jupyter.workflow.decompose.cues import TASKS, Task
    from murakkab_jupyter.workflow.decompose.match import found, stems

    kept: dict[str, dict[str, None]] = {name: {} for name in TASKS}
    for job in todo:
        for clause in clauses(job["description"]):
            words = stems(stripped(clause.text))
            for name in set(job["nodes"]) & set(TASKS):
                for cue in TASKS[name].cues:
                    hit = found(cue, words)
                    if hit is None:
                        continue
                    bare = cue.lstrip("~^")
                    marks = cue[: len(cue) - len(bare)]
                    said = iter(words[place] for place in hit.places)
                    kept[name][
                        marks + " ".join("*" if part == "*" else next(said) for part in bare.split())
                    ] = None
    return {name: Task(tuple(kept[name]), task.examples) for name, task in TASKS.items()}


def crossed(library: Any, encoder: Any) -> list[str]:
    """Each set judged by what the jobs of the others teach.

    The first line of a set leaves the cues as they are: a forecast only for a set that no cue was taken from. The
    second also forgets every cue, and every word of a cue, that no job of the other sets bears out.
    """
    from decompose_learn import fitted, seen_of

    from murakkab_jupyter.workflow.decompose import decompose
    from murakkab_jupyter.workflow.decompose.cues import TASKS

    every = {name: jobs(name) for name in LEARNT}
    rows = []
    for name, own in every.items():
        others = [job for other, found in every.items() if other != name for job in found]
        for cues, tasks in (("as they are", TASKS), ("of the other sets", learned(others))):
            model = fitted(others, [seen_of(job, values_of(job), encoder, tasks) for job in others])
            line = evaluate(
                f"{name} ({len(own)}) | {cues}",
                lambda text, values, tasks=tasks, model=model: decompose(
                    text, library=library, values=values, encoder=encoder, tasks=tasks, model=model
                ),
                name,
                verbose=False,
            )
            rows.append(line)
    return rows


def learn(encoder: Any) -> str:
    """Fit the weights to all sets but the one held apart, and write them."""
    from decompose_learn import fitted, save, seen_of

    from murakkab_jupyter.workflow.decompose.learnt import FILE

    every = [job for name in LEARNT for job in jobs(name)]
    model = fitted(every, [seen_of(job, values_of(job), encoder) for job in every])
    save(model, FILE)
    return f"{len(every)} jobs, {len(model.names)} words: {FILE.name}, {FILE.stat().st_size / 1000:.0f} kB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--on", choices=SETS, default="development")
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--url", nargs="+", metavar=("URL", "NAME"))
    parser.add_argument("--alone", action="store_true", help="models get no first guess by words and kinds")
    parser.add_argument("--key-env", help="environment variable that holds the server's key")
    parser.add_argument("--cross-sets", action="store_true")
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--sample", type=int, metavar="N", help="of so many jobs only, seed 0")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    from murakkab_jupyter.agents.library import default_library
    from murakkab_jupyter.workflow.decompose import ask, decompose, nearest_encoder

    library, encoder = default_library(), nearest_encoder()
    if given.learn:
        print(learn(encoder))
        return
    if given.cross_sets:
        print(HEAD.replace("| method |", "| set | cues |").replace("|---|", "|---|---|", 1))
        print("\n".join(crossed(library, encoder)))
        return
    rows = []
    if not (given.model or given.url):
        name = "without a language model" + ("" if encoder else " (cues only: wordllama is not installed)")
        rows.append(
            evaluate(
                name,
                lambda text, values: decompose(text, library=library, values=values, encoder=encoder),
                given.on,
                given.verbose,
                given.sample,
            )
        )
    chats: list[tuple[str, Any]] = []
    if given.model:
        from murakkab_jupyter.agents.language.llm import open_smollm2

        # One core: where others compute too, two wait for each other.
        chats.append(("SmolLM2-135M in process", open_smollm2({"context": 4096}, 1)))
    if given.url:
        from murakkab_jupyter.agents.served.endpoint import Endpoint
        from murakkab_jupyter.agents.served.openai import OpenAIChat

        served = Endpoint(given.url[0], given.url[1] if len(given.url) > 1 else "", given.key_env)
        chats.append((served.model or served.url, OpenAIChat(served)))
    for name, chat in chats:
        rows.append(
            evaluate(
                f"{name}, {'alone' if given.alone else 'mends a first guess'}",
                lambda text, values, chat=chat: ask(
                    text, chat, library=library, values=values, guessed=not given.alone
                ),
                given.on,
                given.verbose,
                given.sample,
            )
        )
    print(f"\n{given.on}: {len(sampled(given.on, given.sample))} jobs\n")
    print(HEAD)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
