import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.perception.video import FRAME_EXTRACTION
from murakkab_jupyter.agents.perception.vision import (
    OBJECT_DETECTION,
    SSD_MOBILENET_V2,
    SSD_MOBILENET_V2_SMALL,
    SsdDetector,
)
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Boxes, Frame, Image, Video, measure
from murakkab_jupyter.core.media import Media
from tests.conftest import RED, coloured

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
    class Network:
        """A fake network: rows as SSD gives them."""

        def setInput(self, blob):  # noqa: N802 - OpenCV's name
            assert blob.shape == (1, 3, 300, 300)

        def forward(self):
            rows = [
                [0, 1, 0.6, 0.1, 0.2, 0.3, 0.4],
                [0, 18, 0.9, -0.2, 0.5, 1.3, 0.9],
                [0, 12, 0.9, 0.1, 0.1, 0.2, 0.2],  # a number without a class
                [0, 1, 0.39, 0.1, 0.1, 0.2, 0.2],  # not sure enough
                [0, 1, 0.8, 0.5, 0.5, 0.5, 0.6],  # without width
            ]
            return np.array([[rows]], np.float32)

    cv2 = pytest.importorskip("cv2")
    agent = SsdDetector()
    agent._cv2, agent._net, agent._least = cv2, Network(), 0.4
    boxes = agent.find(np.zeros((20, 30, 3), np.uint8))
    assert [box.label for box in boxes] == ["dog", "person"]
    assert (boxes[0].x1, boxes[0].x2) == (0.0, 1.0)
    assert boxes[1].y1 == pytest.approx(0.2)


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
    with pytest.raises(AgentError, match="OpenCV cannot read"):
        SsdDetector().load(SSD_MOBILENET_V2.settings({}), 1)


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
