"""Documents: read in the encodings people have, Word and PDF too, refused with the reason."""

import sys
from pathlib import Path

import pytest

from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Document


def test_a_document_is_read_in_the_encodings_people_have(tmp_path):
    for name, data in (
        ("utf8.txt", "größer".encode()),
        ("bom.txt", b"\xef\xbb\xbf" + "größer".encode()),
        ("wide.txt", "größer".encode("utf-16")),
        ("latin.txt", "größer".encode("latin-1")),
    ):
        (tmp_path / name).write_bytes(data)
        document = probe(tmp_path / name, "document")
        assert isinstance(document, Document)
        assert document.text == "größer", name


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("quotes.txt", "\u201cgrößer\u201d".encode("cp1252"), "\u201cgrößer\u201d"),
        ("old.txt", b"gr\xf6\x81er", "gr\xf6\x81er"),
        ("page.html", b'<meta charset="windows-1251"><p>' + "Привет".encode("cp1251"), "Привет"),
        ("feed.xml", b'<?xml version="1.0" encoding="shift_jis"?>' + "港".encode("shift_jis"), "港"),
        ("lies.html", b'<meta charset="nonsense"><p>gr\xf6\xdfer', "größer"),
        ("open.html", b"<head><title>T</title><body><p>Words", "Words"),
    ],
)
def test_a_document_of_another_encoding_is_read_as_it_says_or_as_windows_had_it(tmp_path, name, data, text):
    (tmp_path / name).write_bytes(data)
    assert text in probe(tmp_path / name, "document").text


@pytest.mark.parametrize(
    ("name", "data"),
    [("blank.txt", b" \n\t\n"), ("app.html", b"<html><body><script>go()</script></body></html>")],
)
def test_a_document_without_words_is_named(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match="holds no words"):
        probe(tmp_path / name, "document")


def test_half_a_wide_character_is_no_document(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xfea\0b")
    with pytest.raises(InputError, match="no file that can be read as a document"):
        probe(tmp_path / "x.txt", "document")


def test_an_encrypted_pdf_says_what_is_missing(tmp_path, monkeypatch):
    pypdf = pytest.importorskip("pypdf")
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.4")

    def refuse(path):
        raise pypdf.errors.DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr("pypdf.PdfReader", refuse)
    with pytest.raises(InputError, match="is encrypted") as caught:
        probe(tmp_path / "x.pdf", "document")
    assert "pip install cryptography" in str(caught.value)


def test_a_binary_file_is_no_document_and_a_huge_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    path.write_bytes(b"ab\0cd")
    with pytest.raises(InputError, match="no file that can be read as a document"):
        probe(path, "document")
    monkeypatch.setattr("murakkab_jupyter.agents.media.files.MAX_DOCUMENT_BYTES", 3)
    with pytest.raises(InputError, match="at most"):
        probe(path, "document")


def word_document(path: Path) -> Path:
    import docx

    made = docx.Document()
    made.add_heading("The bridge", 2)
    made.add_paragraph("The council decided to build it.")
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Length", "140 m"
    made.save(str(path))
    return path


def test_a_word_document_is_read_with_its_headings_and_tables(tmp_path):
    found = probe(word_document(tmp_path / "a.docx"), "document")
    assert found.text == "## The bridge\nThe council decided to build it.\nLength | 140 m"


@pytest.mark.parametrize(
    "data", [b"PK\3\4 no zip", b"no zip at all", b"\xd0\xcf\x11\xe0 an old .doc, or a protected one"]
)
def test_what_is_no_word_document_is_named(tmp_path, data):
    path = tmp_path / "a.docx"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.docx cannot be read as a Word document"):
        probe(path, "document")


def test_a_word_document_that_unpacks_to_too_much_or_to_nothing_is_refused(tmp_path, monkeypatch):
    import docx

    docx.Document().save(str(tmp_path / "empty.docx"))
    with pytest.raises(InputError, match="holds no text"):
        probe(tmp_path / "empty.docx", "document")
    monkeypatch.setattr("murakkab_jupyter.agents.media.reading.MAX_DOCX_BYTES", 100)
    with pytest.raises(InputError, match="unpacks to"):
        probe(word_document(tmp_path / "a.docx"), "document")


def test_without_the_library_a_word_document_says_what_to_install(tmp_path, monkeypatch):
    path = word_document(tmp_path / "a.docx")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(InputError, match="python-docx is not installed"):
        probe(path, "document")


@pytest.mark.parametrize(("encoding", "told"), [("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")])
def test_utf_16_without_its_mark_is_read_and_that_is_said(tmp_path, encoding, told):
    (tmp_path / "tank.txt").write_bytes("The tank holds 600 litres.\n".encode(encoding))
    notes = []
    text = probe(tmp_path / "tank.txt", "document", lambda what, which: notes.append(what)).text
    assert text.strip() == "The tank holds 600 litres."
    assert told in notes[0]


def test_a_stray_zero_in_a_text_is_left_out_and_that_is_said(tmp_path):
    (tmp_path / "lens.txt").write_bytes(
        b"The spare lens is stored in shed four, behind the oars and the paint.\0\n"
    )
    notes = []
    text = probe(tmp_path / "lens.txt", "document", lambda what, which: notes.append(what)).text
    assert text.endswith("the paint.\n")
    assert "zero bytes" in notes[0]


def test_bytes_that_are_no_text_are_refused_with_the_reason(tmp_path):
    (tmp_path / "all.txt").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError, match="it holds zero bytes, as no text does"):
        probe(tmp_path / "all.txt", "document")
