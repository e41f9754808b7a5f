import os
import shutil

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.perception.ocr import RAPIDOCR, TESSERACT, TesseractAgent, words_of_tsv
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Frame, Video
from murakkab_jupyter.core.media import Media
from tests.conftest import RED, coloured

GHOST = Frame(Video(Media("/nowhere/ghost.mp4", "0" * 64, 10), 60.0, 640, 360, 25.0, has_audio=False), 1.0)
HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="the program tesseract is not installed"
)


def slide(path, *lines, size=36):
    """A picture of dark text on white."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (800, 80 * len(lines) + 60), "white")
    draw = ImageDraw.Draw(picture)
    for index, line in enumerate(lines):
        draw.text((40, 40 + 80 * index), line, fill="black", font=ImageFont.load_default(size))
    picture.save(path)
    return probe(path, "image")


def call(agent, *pictures):
    return list(agent.call([Inputs((("f", i),), {"picture": p}) for i, p in enumerate(pictures)]))


@pytest.fixture(scope="module")
def rapidocr():
    agent = RAPIDOCR.make()
    agent.load(RAPIDOCR.settings({}), 2)
    return agent


@pytest.mark.media
def test_a_slide_is_read_line_by_line(rapidocr, clips):
    (text,) = call(rapidocr, slide(clips / "slide.png", "Quarterly report 2026", "Revenue grew by half"))
    assert text.replace(" ", "") == "Quarterlyreport2026\nRevenuegrewbyhalf"


@pytest.mark.media
def test_a_caption_in_a_real_video_is_read(rapidocr, speech_video):
    (text,) = call(rapidocr, Frame(probe(speech_video, "video"), 5.0))
    assert "OBAMA" in text
    assert "IRAN" in text


@pytest.mark.media
def test_a_picture_without_text_gives_none_and_a_missing_file_fails_alone(rapidocr, clips):
    from PIL import Image

    path = clips / "blank.png"
    Image.fromarray(coloured(RED, 200, 200)).save(path)
    results = call(rapidocr, GHOST, probe(path, "image"))
    assert isinstance(results[0], Failed)
    assert "ghost.mp4" in results[0].reason
    assert results[1] == ""


def test_unsure_words_and_single_marks_are_left_out_of_tesseracts_table():
    rows = [
        "5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t96.5\tHello",
        "5\t1\t1\t1\t1\t2\t0\t0\t9\t9\t90\tworld",
        "5\t1\t1\t1\t2\t1\t0\t0\t9\t9\t20\tgarbage",
        '5\t1\t2\t1\t1\t1\t0\t0\t9\t9\t95\t"quoted',
        "5\t1\t2\t1\t1\t2\t0\t0\t9\t9\t95\t|",
        "4\t1\t3\t1\t1\t0\t0\t0\t9\t9\t-1\t",
        "broken",
    ]
    assert words_of_tsv("\n".join([HEAD, *rows]), 60.0) == ["Hello world", '"quoted']
    assert words_of_tsv("", 60.0) == []


def test_without_the_program_tesseract_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AgentError, match="not on the path") as caught:
        TesseractAgent().load(TESSERACT.settings({}), 1)
    assert "apt-get install" in caught.value.hint


def program(tmp_path, monkeypatch, script):
    """A fake tesseract on the path."""
    path = tmp_path / "tesseract"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_a_language_that_tesseract_lacks_is_told_at_loading(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "echo eng")
    with pytest.raises(AgentError, match="no language 'deu'") as caught:
        TesseractAgent().load(TESSERACT.settings({"language": "deu"}), 1)
    assert "tesseract-ocr-deu" in caught.value.hint


def test_a_tesseract_that_fails_on_a_picture_fails_that_item_with_its_words(tmp_path, monkeypatch, clips):
    program(
        tmp_path,
        monkeypatch,
        '[ "$1" = --list-langs ] && echo eng && exit 0; cat >/dev/null; echo "out of ink" >&2; exit 1',
    )
    agent = TesseractAgent()
    agent.load(TESSERACT.settings({}), 1)
    (result,) = call(agent, slide(clips / "ink.png", "words"))
    assert isinstance(result, Failed)
    assert "out of ink" in result.reason


def test_tesseract_is_given_the_pixels_as_they_are(tmp_path, monkeypatch, clips):
    program(
        tmp_path, monkeypatch, f'[ "$1" = --list-langs ] && echo eng && exit 0; cat > {tmp_path}/seen.ppm'
    )
    agent = TesseractAgent()
    agent.load(TESSERACT.settings({}), 1)
    image = slide(clips / "pixels.png", "words")
    call(agent, image)
    from murakkab_jupyter.agents.media.files import read_frame

    seen = read_frame(probe(tmp_path / "seen.ppm", "image"))
    assert np.array_equal(seen, read_frame(image))


@needs_tesseract
def test_tesseract_reads_a_slide_and_sees_no_words_where_there_are_none(clips, three_scenes):
    agent = TesseractAgent()
    agent.load(TESSERACT.settings({}), 1)
    blank = Frame(probe(three_scenes, "video"), 1.0)
    text, nothing = call(agent, slide(clips / "slide2.png", "Quarterly report 2026", "Revenue grew"), blank)
    assert "Quarterly report 2026" in text
    assert nothing == ""


def test_a_large_picture_is_as_much_work_as_what_is_read_of_it():
    library = default_library()
    ocr = library.capability("ocr")

    def work(agent, megapixels, **pinned):
        options = library.agent(agent).settings(pinned)
        return ocr.work({"picture": {"megapixels": megapixels}}, options)

    assert work("rapidocr", 0.3) == 0.3
    assert work("rapidocr", 12.0) == work("rapidocr", 48.0) == pytest.approx(3.0)
    assert work("rapidocr", 12.0, longest_side=1000) == pytest.approx(0.75)
    assert work("tesseract", 12.0) == 12.0


@pytest.mark.media
def test_a_picture_is_reduced_as_far_as_one_is_told(clips):
    picture = slide(clips / "reduced.png", *["Quarterly report 2026"] * 9)

    def read(longest_side):
        agent = RAPIDOCR.make()
        agent.load(RAPIDOCR.settings({"longest_side": longest_side}), 1)
        return call(agent, picture)[0]

    assert "2026" in read(400)
    assert read(32) == "", "nobody can read it"
