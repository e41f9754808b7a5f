"""The CLIP tagger, on a real pair of tiny ONNX encoders and a real small tokenizer that are made here."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Pillow
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.perception.clip import (
    CLIP_VIT_B32,
    LOGIT_SCALE,
    WEIGHTS,
    Preprocessing,
    labels_of,
)
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.core.errors import AgentError, LanguageError, WeightsError
from murakkab_jupyter.core.kinds import Boxes, Image
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.workflow.language import declare
from tests.conftest import BLUE, GREEN, RED, coloured

WORDS = {
    "[pad]": 0,
    "<s>": 1,
    "</s>": 2,
    "a": 3,
    "photo": 4,
    "of": 5,
    ".": 6,
    "red": 7,
    "green": 8,
    "blue": 9,
    "leafy": 10,
}
MEANING = np.zeros((len(WORDS), 3), np.float32)
MEANING[WORDS["red"]], MEANING[WORDS["green"]], MEANING[WORDS["blue"]] = np.eye(3, dtype=np.float32)
MEANING[WORDS["leafy"]] = (0.0, 3.0, 0.0)

CONFIG = {
    # Made smaller, else as published: Xenova/clip-vit-base-patch32, preprocessor_config.json.
    "crop_size": {"height": 8, "width": 8},
    "do_center_crop": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 8},
}
MEAN, STD = np.array(CONFIG["image_mean"]), np.array(CONFIG["image_std"])


def save(path, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(
        nodes, "tiny", inputs, outputs, [numpy_helper.from_array(a, n) for n, a in constants]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Weights: a picture's vector is its mean colour, a text's the sum of its words' meanings."""
    made = tmp_path_factory.mktemp("weights") / WEIGHTS
    (made / "onnx").mkdir(parents=True)
    save(
        made / "onnx/vision_model_quantized.onnx",
        [
            helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["image_embeds"], axis=1),
        ],
        # One picture a call: a batch would be an error here, and in the real encoder makes pictures depend on each other.
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, [1, 3])],
    )
    save(
        made / "onnx/text_model_quantized.onnx",
        [
            helper.make_node("Gather", ["meaning", "input_ids"], ["words"]),
            helper.make_node("ReduceSum", ["words", "axis"], ["text_embeds"], keepdims=0),
        ],
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "length"])],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, [1, 3])],
        [("meaning", MEANING), ("axis", np.array([1], np.int64))],
    )
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[pad]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(made / "tokenizer.json"))
    (made / "preprocessor_config.json").write_text(json.dumps(CONFIG))
    return made


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(folder.parent))
    return folder


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any weights, and without consent."""
    for name in ("MURAKKAB_HUB", "MURAKKAB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


@pytest.fixture
def library():
    made = Library()
    made.load_entry_points()
    return made


def tagger(**options):
    agent = CLIP_VIT_B32.make()
    agent.load(CLIP_VIT_B32.settings({"labels": "red, green, blue", **options}), 1)
    return agent


def call(agent, *pictures):
    return list(agent.call([Inputs((("p", i),), {"picture": one}) for i, one in enumerate(pictures)]))


def picture(folder, name, pixels):
    path = folder / f"{name}.png"
    Pillow.fromarray(pixels).save(path)
    return probe(path, "image")


def test_scores_are_the_softmax_of_scaled_cosines(here):
    grey_red = coloured((150, 120, 110))
    seen = (np.array([150, 120, 110]) / 255 - MEAN) / STD
    cosines = seen / np.linalg.norm(seen)  # with the unit vectors of red, green and blue
    by_hand = np.exp(LOGIT_SCALE * cosines)
    by_hand /= by_hand.sum()
    boxes = tagger(least_score=0.0).tags(grey_red)
    assert [box.label for box in boxes] == [["red", "green", "blue"][i] for i in np.argsort(-by_hand)]
    assert [box.score for box in boxes] == pytest.approx(sorted(by_hand, reverse=True), rel=1e-3)
    assert sum(box.score for box in boxes) == pytest.approx(1.0, abs=1e-6)


def test_each_picture_of_a_batch_gets_its_label_and_a_box_around_it(here, clips):
    shown = [picture(clips, name, coloured(c)) for name, c in (("r", RED), ("g", GREEN), ("b", BLUE))]
    agent = tagger()
    results = call(agent, *shown)
    assert all(isinstance(one, Boxes) for one in results)
    assert [one.boxes[0].label for one in results] == ["red", "green", "blue"]
    (box,) = results[0].boxes
    assert (box.x1, box.y1, box.x2, box.y2) == (0.0, 0.0, 1.0, 1.0)
    assert call(agent, shown[1])[0] == results[1], "whatever its company"


def test_a_picture_that_cannot_be_read_fails_alone(here, clips):
    ghost = Image(Media("/nowhere/ghost.png", "0" * 64, 10), 8, 8)
    lost, kept = call(tagger(), ghost, picture(clips, "kept", coloured(RED)))
    assert isinstance(lost, Failed)
    assert "ghost.png" in lost.reason
    assert kept.boxes[0].label == "red"


def test_labels_less_sure_than_asked_for_are_left_out(here):
    seen = coloured((130, 120, 110))
    every = tagger(least_score=0.0).tags(seen)
    least = (every[0].score + every[1].score) / 2
    assert tagger(least_score=least).tags(seen) == every[:1]


def test_the_prompt_is_what_is_compared(here):
    seen = (np.array([130, 140, 110]) / 255 - MEAN) / STD
    prompts = np.array(
        [[1.0, 3.0, 0.0], [0.0, 4.0, 0.0], [0.0, 3.0, 1.0]]
    )  # leafy red, leafy green, leafy blue
    by_hand = np.exp(
        LOGIT_SCALE * (prompts / np.linalg.norm(prompts, axis=1)[:, None]) @ seen / np.linalg.norm(seen)
    )
    boxes = tagger(template="leafy <label>", least_score=0.0).tags(coloured((130, 140, 110)))
    scores = {box.label: box.score for box in boxes}
    wanted = dict(zip(["red", "green", "blue"], by_hand / by_hand.sum(), strict=True))
    assert scores == pytest.approx(wanted, rel=1e-3)


def test_a_prompt_without_a_place_for_the_label_is_refused(library):
    text = "%%murakkab t\nobjects <- detect the objects in {pictures} @clip-vit-b32 template='a photo'\n"
    with pytest.raises(LanguageError, match="<label>"):
        declare(text, library=library, values={"pictures": ["a.png"]})


def test_labels_come_from_the_option_each_once_and_are_cocos_by_default():
    assert labels_of(" dog, street at night,dog,, ") == ("dog", "street at night")
    assert labels_of("") == tuple(COCO_90.values())


# --- preprocessing --------------------------------------------------------------------------------------------


def bicubic(pixels, size):
    """Columns resized with Keys' cubic (a = -1/2), widened when it shrinks: what Pillow's filter 3 does."""
    step = pixels.shape[1] / size
    wide = max(step, 1.0)
    rows = np.zeros((size, pixels.shape[1]))
    for i in range(size):
        x = np.abs((np.arange(pixels.shape[1]) + 0.5 - (i + 0.5) * step) / wide)
        rows[i] = np.where(
            x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0)
        )
        rows[i] /= rows[i].sum()
    # Kept as whole levels 0..255 between the two directions.
    return np.clip(np.rint(np.einsum("ij,hjc->hic", rows, pixels)), 0, 255)


@pytest.mark.parametrize("turned", [False, True], ids=["wide", "tall"])
def test_pictures_are_prepared_as_computed_by_hand(here, turned):
    noise = np.random.default_rng(7).integers(0, 256, (18, 31, 3)).astype(np.uint8)
    given = noise.transpose(1, 0, 2) if turned else noise
    # Shorter side 18 -> 8, longer 31 -> int(13.8) = 13; columns 2..9 of 13 are kept.
    wide = bicubic(noise.astype(float), 13)
    small = bicubic(wide.transpose(1, 0, 2), 8).transpose(1, 0, 2)[:, 2:10]
    by_hand = (small / 255 - MEAN) / STD
    if turned:
        by_hand = by_hand.transpose(1, 0, 2)
    made = Preprocessing.read(here / "preprocessor_config.json").apply(np.ascontiguousarray(given))
    assert made.shape == (3, 8, 8)
    assert made.dtype == np.float32
    # Both directions round to whole levels: two levels apart at most.
    assert np.abs(made.transpose(1, 2, 0) - by_hand).max() <= 2.01 / 255 / STD.min()


def test_sizes_may_be_numbers_as_the_original_repository_has_them(tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**CONFIG, "size": 224, "crop_size": 224}))
    made = Preprocessing.read(path)
    assert (made.short, made.crop, made.resample) == (224, (224, 224), 3)
    assert made.apply(coloured(RED, 640, 360)).shape == (3, 224, 224)
    assert made.apply(coloured(RED, 3, 500)).shape == (3, 224, 224)


def test_pictures_may_be_forced_to_a_square(tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**CONFIG, "size": {"height": 6, "width": 4}, "do_center_crop": False}))
    assert Preprocessing.read(path).apply(coloured(RED, 640, 360)).shape == (3, 6, 4)


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", '{"size": 8, "do_center_crop": false}', '{"size": {}, "crop_size": {}}']
)
def test_a_configuration_that_says_nothing_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(text)
    with pytest.raises(AgentError, match=r"preprocessor_config\.json"):
        Preprocessing.read(path)


# --- weights --------------------------------------------------------------------------------------------------


def test_it_is_withheld_until_the_hub_is_allowed_and_size_and_licence_are_shown(library, bare, monkeypatch):
    spec = library.agent("clip-vit-b32")
    assert any("MURAKKAB_HUB=yes" in one for one in library.availability(spec).missing)
    with pytest.raises(WeightsError, match="has not been allowed") as caught:
        spec.make().load(spec.settings({}), 1)
    assert "156 MB" in caught.value.message
    assert "licence: none stated" in caught.value.message
    assert "MURAKKAB_HUB=yes" in caught.value.hint
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    monkeypatch.setattr(weights, "hub_lack", lambda hub: None)
    assert not any("weights" in one for one in library.availability(spec).missing)


def test_weights_that_lack_a_file_or_cannot_be_read_say_so(folder, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path))
    own = tmp_path / WEIGHTS
    shutil.copytree(folder, own)
    (own / "tokenizer.json").unlink()
    with pytest.raises(AgentError, match=r"lack tokenizer\.json"):
        tagger()
    (own / "tokenizer.json").write_text("{}")
    with pytest.raises(AgentError, match="cannot read its tokenizer"):
        tagger()
    shutil.copy(folder / "tokenizer.json", own)
    (own / "onnx/text_model_quantized.onnx").write_bytes(b"no model")
    with pytest.raises(AgentError, match="cannot read the network"):
        tagger()


def hub_copy(folder, home):
    """A snapshot as the hub's client leaves it: named after the commit, pointing to blobs."""
    import shutil

    hub = weights.weight(WEIGHTS).hub
    snapshot = home / "hub" / f"models--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision
    shutil.copytree(folder, snapshot)
    return snapshot


def test_a_snapshot_of_the_pinned_commit_in_the_hubs_cache_is_found(folder, bare):
    snapshot = hub_copy(folder, bare / "hf")
    assert weights.resolve(WEIGHTS) == snapshot
    assert tagger().tags(coloured(GREEN))[0].label == "green"


def test_what_the_hub_sends_must_have_the_published_hash(folder, bare, monkeypatch):
    pytest.importorskip("huggingface_hub")
    asked = []

    def fetched(repo, *, revision, allow_patterns):
        asked.append((repo, revision, allow_patterns))
        return str(hub_copy(folder, bare / "elsewhere"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    with pytest.raises(WeightsError, match="has not the expected SHA-256"):
        weights.resolve(WEIGHTS, allow_hub=True)
    ((repo, revision, patterns),) = asked
    assert (repo, revision) == ("Xenova/clip-vit-base-patch32", "d15189d7028b43f1d3e65039190477f6af591c2a")
    assert "tokenizer.json" in patterns
