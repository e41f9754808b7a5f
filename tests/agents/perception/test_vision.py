import json
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.perception.ssd import anchors, decode
from murakkab_jupyter.agents.perception.video import FRAME_EXTRACTION
from murakkab_jupyter.agents.perception.vision import (
    OBJECT_DETECTION,
    SSD_MOBILENET_V2,
    SSD_MOBILENET_V2_SMALL,
    SsdDetector,
)
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Boxes, Frame, Image, Video, measure
from murakkab_jupyter.core.media import Media
from tests.conftest import RED, coloured

REFERENCE = json.loads(Path(__file__).with_name("ssd_boxes.json").read_text())

GHOST = Frame(Video(Media("/nowhere/ghost.mp4", "0" * 64, 10), 60.0, 640, 360, 25.0, has_audio=False), 1.0)


def call(agent, *pictures):
    return list(agent.call([Inputs((("f", i),), {"picture": p}) for i, p in enumerate(pictures)]))


@pytest.fixture(scope="module", params=[SSD_MOBILENET_V2, SSD_MOBILENET_V2_SMALL], ids=lambda spec: spec.name)
def detector(request):
    agent = request.param.make()
    agent.load(request.param.settings({}), 2)
    return agent


def test_there_are_80_classes_and_no_name_twice():
    assert len(COCO_90) == len(set(COCO_90.values())) == 80
    assert set(COCO_90) <= set(range(1, 91))


def test_what_the_network_says_becomes_boxes_inside_the_picture_surest_first():
    pytest.importorskip("cv2")
    around = anchors(300)
    offsets, scores = np.zeros((1, len(around), 4), np.float32), np.zeros((1, len(around), 91), np.float32)
    middle = 19 * 19 * 3 + 55 * 6  # the first anchor of the second map's row 5, column 5
    scores[0, middle, 1] = 0.6
    scores[0, -1, 18] = 0.9
    offsets[0, -1, 2:] = 5.0  # of the last map: larger than the picture
    scores[0, 0, 12] = 0.9  # a number without a class
    scores[0, 0, 0] = 0.99  # the background
    scores[0, 3, 1] = 0.39  # not sure enough

    class Network:
        """A fake network: heads as the network gives them."""

        def run(self, outputs, inputs):
            assert outputs == ["boxes", "scores"]
            assert inputs["picture"].shape == (1, 3, 300, 300)
            assert inputs["picture"].min() == inputs["picture"].max() == -1.0
            return [offsets, scores]

    agent = SsdDetector()
    import cv2

    agent._cv2, agent._network, agent._least = cv2, Network(), 0.4
    boxes = agent.find(np.zeros((20, 30, 3), np.uint8))
    assert [box.label for box in boxes] == ["dog", "person"]
    assert (boxes[0].x1, boxes[0].x2) == (0.0, 1.0)
    assert (boxes[1].x1, boxes[1].y2) == pytest.approx((0.55 - 0.35 / 2, 0.55 + 0.35 / 2))


def test_of_boxes_of_a_class_that_overlap_the_surest_is_kept():
    around = anchors(300)
    offsets, scores = np.zeros((len(around), 4), np.float32), np.zeros((len(around), 91), np.float32)
    first = 19 * 19 * 3 + 55 * 6
    offsets[first + 1] = 0.0
    offsets[first + 1, 2:] = np.log(around[first, 2:] / around[first + 1, 2:]) / 0.2  # the same box
    scores[first, 1], scores[first + 1, 1], scores[first + 1, 2] = 0.7, 0.8, 0.5
    found = decode(offsets, scores, 300, 0.4)
    assert [(label, round(score, 3)) for label, score, *_ in found] == [(1, 0.8), (2, 0.5)]
    assert decode(offsets, scores, 300, 0.9) == []


def test_decoding_is_part_of_the_work_and_most_of_it_for_a_large_video():
    def work(width, height, fps):
        video = Video(Media("/v.mp4", "", 1), 60.0, width, height, fps, has_audio=False)
        return OBJECT_DETECTION.work({"picture": measure(Frame(video, 3.0))}, {})

    assert 1.0 < work(320, 240, 12.0) < 1.1
    assert 1.1 < work(640, 360, 25.0) < 1.3
    assert work(3840, 2160, 60.0) > 10.0
    scene = {"megapixels": 0.2304, "frames": 250.0, "duration_s": 10.0}
    planned = FRAME_EXTRACTION.yields({"scene": scene}, {"count": 2}).each
    assert OBJECT_DETECTION.work({"picture": planned}, {}) == pytest.approx(work(640, 360, 25.0))


def test_weights_that_cannot_be_read_are_an_agent_error(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path))
    (tmp_path / "ssd-mobilenet-v2").mkdir()
    with pytest.raises(AgentError, match="cannot read the network"):
        SsdDetector().load(SSD_MOBILENET_V2.settings({}), 1)


@pytest.mark.media
def test_boxes_are_those_of_the_frozen_graph(detector):
    """Within 0.002 of a score and 0.003 of a picture's side, where a score is not so near to the limit that either may lack it."""
    detector._least = REFERENCE["least_score"] - 0.01
    name = {300: "ssd-mobilenet-v2", 192: "ssd-mobilenet-v2-192"}[detector.size]
    frames = [one for one in REFERENCE["frames"] if one["agent"] == name]
    pictures = [Frame(probe(resolve(one["clip"]), "video"), one["time_s"]) for one in frames]
    for frame, result in zip(frames, call(detector, *pictures), strict=True):
        found = [box for box in result.boxes if box.score > REFERENCE["least_score"] - 0.002]
        for label, score, *edges in frame["boxes"]:
            same = [
                box
                for box in found
                if box.label == label
                and box.score == pytest.approx(score, abs=0.002)
                and (box.x1, box.y1, box.x2, box.y2) == pytest.approx(edges, abs=0.003)
            ]
            assert len(same) == 1, (frame["clip"], frame["time_s"], label, score)
            found.remove(same[0])
        assert all(box.score < REFERENCE["least_score"] + 0.002 for box in found)
    detector._least = 0.45


@pytest.mark.media
def test_people_are_found_where_they_are(detector, speech_video):
    (result,) = call(detector, Frame(probe(speech_video, "video"), 7.0))
    people = [box for box in result.boxes if box.label == "person"]
    assert len(people) == 2
    assert all(0 <= box.x1 < box.x2 <= 1 and 0 <= box.y1 < box.y2 <= 1 for box in people)
    assert "tie" in result.counts()
    assert [box.score for box in result.boxes] == sorted((box.score for box in result.boxes), reverse=True)


@pytest.mark.media
def test_a_picture_of_one_colour_shows_nothing_sure(detector, clips):
    from PIL import Image as Pillow

    path = clips / "plain.png"
    Pillow.fromarray(coloured(RED, 300, 300)).save(path)
    image = probe(path, "image")
    assert isinstance(image, Image)
    (result,) = call(detector, image)
    assert isinstance(result, Boxes)
    assert all(box.score < 0.6 for box in result.boxes)


@pytest.mark.media
def test_a_4k_portrait_frame_and_a_missing_file_do_not_disturb_their_neighbours(
    detector, portrait_4k, speech_video
):
    tall = Frame(probe(portrait_4k, "video"), 0.1)
    known = Frame(probe(speech_video, "video"), 7.0)
    results = call(detector, tall, GHOST, known)
    assert isinstance(results[0], Boxes)
    assert isinstance(results[1], Failed)
    assert "ghost.mp4" in results[1].reason
    assert "person" in results[2].counts()


@pytest.mark.media
def test_the_same_picture_gives_the_same_boxes_whatever_its_company(detector, speech_video):
    video = probe(speech_video, "video")
    one, other = Frame(video, 7.0), Frame(video, 1.0)
    assert call(detector, one)[0] == call(detector, other, one)[1]
