"""Documents read, and cut into passages that know where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.text.chunking import FixedChunks, SectionChunks
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Document, Origin, Passage, Segment, Transcript, decode, encode
from murakkab_jupyter.core.media import Media

GUIDE = """Before all headings.

# Setup

Plug it in. Wait for the light.

## Cleaning

Use a dry cloth.
"""


def document(text: str, path: str = "/docs/guide.md") -> Document:
    return Document(Media(path, "0" * 64, len(text)), text)


def chunks(value: object, words: int = 120, agent: type[SectionChunks] = SectionChunks) -> list[Passage]:
    made = agent()
    made.load({"words": words}, 1)
    return made.call([Inputs((), {"document": value}, {"document": Origin("/talk.mp3", 0.0, 9.0)})])[0]


def test_a_passage_stays_in_its_section_and_knows_it():
    found = [(one.origin.place, one.text) for one in chunks(document(GUIDE))]
    assert found == [
        ("", "Before all headings."),
        ("Setup", "Plug it in. Wait for the light."),
        ("Cleaning", "Use a dry cloth."),
    ]


def test_underlined_headings_are_headings():
    found = chunks(
        document('Intro.\n\nThe "with" statement\n====================\n\nIt manages.\n\nMore\n----\n\nText.')
    )
    assert [one.origin.place for one in found] == ["", 'The "with" statement', "More"]


def test_pages_are_counted_by_their_form_feeds():
    found = chunks(document("One.\fTwo.\f\fFour."))
    assert [one.origin.place for one in found] == ["page 1", "page 2", "page 4"]


def test_times_of_speech_are_kept():
    said = Transcript(tuple(Segment(float(n), n + 1.0, f"Sentence number {n}.") for n in range(6)))
    found = chunks(said, words=9)
    assert [(one.origin.start_s, one.origin.end_s) for one in found] == [(0.0, 3.0), (3.0, 6.0)]


def test_fixed_windows_overlap_by_a_quarter():
    text = " ".join(f"w{n}" for n in range(20))
    assert [one.text.split()[0] for one in chunks(text, 8, FixedChunks)] == ["w0", "w6", "w12"]


@given(st.lists(st.text("abc. ", min_size=1, max_size=30), min_size=1, max_size=30), st.integers(5, 40))
def test_no_word_is_lost(lines, words):
    text = "\n".join(lines)
    assert " ".join(one.text for one in chunks(text, words)).split() == text.split()


def test_a_transcript_without_words_makes_no_passage():
    assert chunks(Transcript(note="silence")) == []


def test_a_place_survives_its_codec():
    passage = Passage("Use a dry cloth.", 0.5, Origin("/docs/guide.md", place="Cleaning"))
    assert decode(*encode(passage)) == passage
    assert decode("passage", b'{"text":"x","score":0,"origin":["a.mp4",0,1]}').origin == Origin(
        "a.mp4", 0.0, 1.0
    )


def test_html_keeps_words_and_headings_and_leaves_scripts_out(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<html><head><title>t</title></head><body><h2>Care &amp; use</h2><p>Wash\nit.</p><script>x()</script></body></html>"
    )
    assert probe(page, "document").text == "## Care & use\n\nWash it."


def pdf(*pages: str) -> bytes:
    """A PDF with one line of Helvetica a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, words in enumerate(pages):
        stream = f"BT /F1 12 Tf 50 700 Td ({words}) Tj ET" if words else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * n} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, places = "%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{n} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode()


def test_a_pdf_is_read_page_by_page(tmp_path):
    pytest.importorskip("pypdf")
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf("First page.", "Second page."))
    found = chunks(probe(file, "document"))
    assert [(one.origin.place, one.text) for one in found] == [
        ("page 1", "First page."),
        ("page 2", "Second page."),
    ]


def test_pages_of_a_pdf_without_text_are_told_of(tmp_path):
    pytest.importorskip("pypdf")
    file = tmp_path / "half.pdf"
    file.write_bytes(pdf("First page.", "", "Third page."))
    told: list[tuple[str, str]] = []
    probe(file, "document", lambda what, where: told.append((what, where)))
    ((what, where),) = told
    assert "pages without text" in what
    assert where == f"{file} (2)"


@pytest.mark.parametrize(
    ("data", "told"), [(b"%PDF-1.4 cut short", "cannot be read as a PDF"), (pdf(""), "holds no text")]
)
def test_a_pdf_without_text_is_named_with_what_to_do(tmp_path, data, told):
    pytest.importorskip("pypdf")
    file = tmp_path / "scan.pdf"
    file.write_bytes(data)
    with pytest.raises(InputError, match=told):
        probe(file, "document")
