r"""Goodput of our calls at saturation, against vLLM's own benchmark client.

    python benchmarks/engine_goodput.py http://127.0.0.1:8000/v1 --vllm-python /path/to/venv/bin/python \
        --tokenizer /path/to/model --write

Both send the same number of requests to `/chat/completions`, as many in flight, streamed, with answers of one length
(`ignore_eos`), and count the output tokens a second of the whole. They take turns, so that whatever else slows the machine
slows both; prompts are never sent twice, so no cache of prefixes helps the second. The ratio is of each pair; the median
is what counts. Theirs is `vllm.benchmarks.serve` (`vllm bench serve`) of the venv named. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from common import RESULTS, header, table

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.measuring.engines import LoadChat, Workload

THEIRS = """
import argparse, json
import vllm.benchmarks.datasets.datasets as datasets
from vllm.benchmarks.serve import add_cli_args, main

def load(self):
    self.data = [json.loads(line) for line in open(self.dataset_path)]

datasets.CustomDataset.load_data = load  # as its own does, without pandas
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""`vllm bench serve`, which asks for a distribution called vllm and for pandas where a build may have neither."""


def ours(chat: LoadChat, load: Workload, count: int) -> float:
    """Output tokens a second of a batch, asked as an agent asks it."""
    requests = list(itertools.islice(load.requests(), count))
    began = time.perf_counter()
    replies = chat.complete(requests)
    seconds = time.perf_counter() - began
    failed = [one for one in replies if isinstance(one, Failed)]
    if failed:
        sys.exit(f"{len(failed)} of {count} requests failed: {failed[0].reason}")
    return sum(one.written for one in replies) / seconds


def theirs(
    given: argparse.Namespace, in_flight: int, model: str, load: Workload, count: int, folder: Path
) -> float:
    """Output tokens a second, as vLLM's own client counts them."""
    prompts = folder / "prompts.jsonl"
    with prompts.open("w") as file:
        for request in itertools.islice(load.requests(), count):
            file.write(json.dumps({"prompt": request.messages()[-1]["content"]}) + "\n")
    result = folder / "result.json"
    command = [
        given.vllm_python, "-c", THEIRS, "--backend", "openai-chat", "--base-url", given.url.removesuffix("/v1"),
        "--endpoint", "/v1/chat/completions", "--model", model, "--tokenizer", given.tokenizer,
        "--dataset-name", "custom", "--dataset-path", str(prompts), "--custom-output-len", str(load.tokens),
        "--skip-chat-template", "--disable-shuffle", "--num-prompts", str(count), "--max-concurrency", str(in_flight),
        "--ignore-eos", "--temperature", "0", "--save-result", "--result-dir", str(folder), "--result-filename", result.name,
        "--disable-tqdm",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not result.exists():
        sys.exit(f"vLLM's client failed:\n{done.stderr[-2000:]}")
    found = json.loads(result.read_text())
    result.unlink()
    if found["completed"] != count:
        sys.exit(f"vLLM's client completed {found['completed']} of {count} requests.")
    return float(found["output_throughput"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", default="")
    parser.add_argument("--vllm-python", required=True)
    parser.add_argument("--tokenizer", required=True, help="folder or name, for vLLM's client")
    parser.add_argument(
        "--in-flight", type=int, nargs="+", default=[8], help="saturation is the server's own maximum"
    )
    parser.add_argument("--rounds", type=int, default=6, help="requests for each in flight")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS / 'engine_goodput.md'}")
    given = parser.parse_args()
    # Whose machine it is does not belong in a page of results.
    sys.argv = [Path(w).name if "/" in w and "://" not in w else w for w in sys.argv]
    asked = LoadChat(Endpoint(given.url, given.model), in_flight=1, deadline_s=3600.0)
    asked.probe()
    model = asked.endpoint.model
    asked.close()
    seeds = itertools.count(1)

    def load() -> Workload:
        return Workload(tokens=given.tokens, seed=next(seeds))

    text = header("Goodput of our calls against vLLM's own client")
    for in_flight in given.in_flight:
        requests = given.rounds * in_flight
        chat = LoadChat(Endpoint(given.url, model), in_flight=in_flight, deadline_s=3600.0)
        ours(chat, load(), in_flight)  # the first answers of a server are slow: they do not count
        rows: list[tuple[float, float]] = []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for repeat in range(given.repeats):
                if repeat % 2 == 0:
                    mine = ours(chat, load(), requests)
                    other = theirs(given, in_flight, model, load(), requests, folder)
                else:
                    other = theirs(given, in_flight, model, load(), requests, folder)
                    mine = ours(chat, load(), requests)
                rows.append((mine, other))
                print(
                    f"pair {repeat + 1}: {mine:.1f} and {other:.1f} tok/s, {mine / other:.3f}",
                    file=sys.stderr,
                )
        chat.close()
        ratios = [mine / other for mine, other in rows]
        text += [
            "",
            f"{model}, {in_flight} in flight, {requests} requests of {given.tokens} tokens out.\n",
            *table(
                ["pair", "ours (tok/s)", "vllm bench serve (tok/s)", "ratio"],
                [
                    [str(n + 1), f"{mine:.1f}", f"{other:.1f}", f"{mine / other:.3f}"]
                    for n, (mine, other) in enumerate(rows)
                ],
            ),
            f"\nMedian ratio {median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f}).",
        ]
    print("\n".join(text))
    if given.write:
        (RESULTS / "engine_goodput.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
