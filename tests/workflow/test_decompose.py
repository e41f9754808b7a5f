"""Descriptions to cells without a language model."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose import decompose, guessed_inputs
from murakkab_jupyter.workflow.decompose.guess import inputs_for
from murakkab_jupyter.workflow.decompose.match import found, stems
from murakkab_jupyter.workflow.decompose.refuse import foreign
from murakkab_jupyter.workflow.decompose.say import asks, fields_in, labels_in, language_in, written_out
from murakkab_jupyter.workflow.decompose.words import known
from murakkab_jupyter.workflow.language import declare
from tests.workflow.conftest import fresh_library
from tests.workflow.parts import CALLS, lines


def test_a_description_becomes_a_cell_that_binds(library):
    values = {"tickets": ["My parcel is late."]}
    draft = decompose(
        "Classify the tickets as billing, delivery or technical and summarise them in 60 words.",
        library=library,
        values=values,
        name="desk",
    )
    assert draft.text.startswith("%%murakkab desk\nClassify the tickets")
    assert lines(draft) == [
        'label <- classify {tickets} into "billing, delivery, technical"',
        "summary <- summarise {tickets} in 60 words",
    ]
    assert not draft.wants
    workflow = declare(draft.text, library=library, values=values)
    assert workflow.step("label").options == {"labels": "billing, delivery, technical"}
    assert workflow.step("summary").options == {"words": 60}


def test_what_lies_between_is_put_in_by_kind(library):
    draft = decompose("Count the dogs in the videos.", library=library, values={"videos": ["a.mp4"]})
    assert lines(draft) == [
        "frames <- take frames from {videos}",
        "objects <- detect the objects in {frames}",
    ]


def test_a_question_to_documents_is_searched_in_passages_of_them(library):
    draft = decompose(
        "Answer the question from the contracts.",
        library=library,
        values={"contracts": "deeds/a.pdf", "question": "Who pays?"},
    )
    assert lines(draft) == [
        "passages <- split {contracts} into passages",
        "hits <- find in {passages} what answers {question}, per all",
        "answer <- answer {question} from {hits}, per all",
    ]


def test_without_values_nouns_say_what_there_is_and_what_is_open_is_said(library):
    assert guessed_inputs("Sort the photos by motif.") == {"photos": "image"}
    draft = decompose("Classify the emails.", library=library)
    assert set(draft.wants) == {"emails", "labels"}
    assert declare(draft.text, library=library, values={"emails": ["x"], "labels": "a, b"})


@pytest.mark.parametrize(
    ("said", "inputs"),
    [
        ("Transcribe the tapes, then summarise them.", {"recordings": "audio"}),
        ("Read the text on the photos of the doors.", {"photos": "image"}),
        ("Take a frame of each race and detect the horses.", {"videos": "video"}),
        ("Translate the diaries into French.", {"texts": "text"}),
        ("Describe the pictures of the flat.", {"pictures": "image"}),
        ("Transcribe the tapes and summarise the documents.", {"recordings": "audio"}),
        ("Extract the text from the scans and translate it.", {"scans": "image"}),
        ("Summarise the messages in the voice recordings.", {"recordings": "audio"}),
        ("Summarise the comments spoken in the video.", {"video": "video"}),
        ("Summarise the text of the video.", {"video": "video"}),
    ],
)
def test_what_is_called_by_no_known_name_is_of_a_kind_that_the_tasks_need(library, said, inputs):
    assert inputs_for(said, known(library)) == inputs
    assert set(decompose(said, library=library).wants) == set(inputs)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Classify the emails about camera problems into hardware, software and other.", "emails"),
        ("Summarise the reviews of the film.", "reviews"),
        ("Summarise the text about the film.", "text"),
        ("Summarise the comments on the video.", "comments"),
        ("Summarise the comments in the video reviews.", "comments"),
        ("Translate the comments under the video into German.", "comments"),
        ("Sort the texts about cameras by language.", "texts"),
        ('Answer "what went wrong?" from the notes about the video call.', "notes"),
        ("Classify the messages by whether they mention a photo.", "messages"),
        ("Classify these comments about a podcast into positive and negative.", "comments"),
    ],
)
def test_texts_about_a_film_or_photo_are_read_as_the_texts_they_are(library, said, read):
    assert inputs_for(said, known(library)) == {read: "text"}
    steps = lines(decompose(said, library=library))
    assert f"{{{read}}}" in " ".join(steps)
    assert not any("speech" in step or "frames" in step for step in steps)


def test_nothing_that_is_asked_for_by_name_is_lost_for_want_of_an_input(library):
    draft = decompose("Transcribe the tapes, then summarise them.", library=library)
    assert lines(draft) == [
        "transcript <- transcribe the speech in {recordings}",
        "summary <- summarise {transcript}",
    ]


def test_so_many_pictures_are_taken_as_are_asked_for(library):
    films = {"films": "a.mp4"}
    said = "Take three frames from each film and detect the cars in them."
    assert lines(decompose(said, library=library, values=films))[0] == "frames <- take 3 frames from {films}"
    said = "Take frames of the films and detect the cars."
    assert lines(decompose(said, library=library, values=films))[0] == "frames <- take frames from {films}"


def test_a_question_is_taken_without_what_announces_it():
    assert asks("Answer 'who pays?' for each of the lots.") == "who pays?"
    assert asks("Don't guess, it's easy: which lot is Ann's?") == "which lot is Ann's?"
    assert asks("Read them and answer: who pays?") == "who pays?"
    assert asks("Of the lots: all or none?") == "Of the lots: all or none?"
    assert asks("Tell me which year was worst. Then stop.") == "which year was worst?"
    assert asks("Summarise the lots.") == ""


def test_a_quoted_question_within_a_sentence_is_asked_and_what_is_beside_it_is_done(library):
    said = "Transcribe the films, detect the cars in a frame of every scene, and answer 'who drove?' for each film."
    draft = decompose(said, library=library, values={"films": "a.mp4"})
    made = [line.split(" <- ")[0] for line in lines(draft)]
    assert {"transcript", "objects", "answer"} <= set(made)
    assert draft.wants["question"] == "who drove?"


def test_labels_are_the_users_own_words(library):
    draft = decompose("Label the notes as calm or stormy.", library=library, values={"notes": ["a", "b"]})
    assert lines(draft) == ['label <- classify {notes} into "calm, stormy"']
    assert not any("was read as" in note for note in draft.notes)


@pytest.mark.parametrize(
    "said",
    [
        "Fasse die Briefe zusammen, bitte.",
        "Résume les lettres.",
        "把信件总结一下",
        "Resume las actas del pueblo.",
    ],
)
def test_another_language_is_refused_with_who_reads_it(library, said):
    with pytest.raises(UsageError) as caught:
        decompose(said, library=library)
    assert "read in English only: --writer AGENT" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        decompose("Polish the shoes of the guests.", library=library)
    assert "English" not in caught.value.hint


@pytest.mark.parametrize(
    "said",
    [
        "Classify tickets, summarise replies",
        "Extract names, dates, amounts",
        "Summarise naïve reviews",
        "Summarise le Carré novels, list characters",
        'Classify tickets into "der, das, und, ein"',
    ],
)
def test_a_verb_that_asks_is_english_without_any_small_word(said):
    assert not foreign(said)


@pytest.mark.parametrize(
    "said",
    [
        "Compare les factures et note les écarts entre elles.",
        "Transcribe los audios y resume las cartas, por favor.",
        "Erstelle eine Analyse der Briefe und eine Liste der Namen.",
        "Analyse die Briefe und fasse sie kurz zusammen.",
        "Resume los correos y compare los precios.",
    ],
)
def test_a_verb_alone_makes_no_english_of_another_language(said):
    assert foreign(said)


def test_a_draft_of_another_language_says_that_it_was_read_as_english(library):
    draft = decompose("Transcribe los audios y resume las cartas, por favor.", library=library)
    assert any("does not look like English" in note for note in draft.notes)
    draft = decompose("Transcribe the talks and summarise the letters.", library=library)
    assert not any("English" in note for note in draft.notes)


def test_words_that_say_nothing_are_no_reason_for_a_step(library):
    with pytest.raises(UsageError, match="Nothing in this description"):
        decompose("Polish each shoe and charge their owner.", library=library)


def test_what_is_compared_is_read_together(library):
    contracts = {"contracts": ["a.md", "b.md"]}
    draft = decompose(
        "Compare the two contracts and list the differences.", library=library, values=contracts
    )
    assert lines(draft) == [
        "text <- compare the two contracts and list the differences from {contracts}, per all"
    ]
    draft = decompose("Compare the two talks.", library=library, values={"talks": ["a.mp3", "b.mp3"]})
    assert lines(draft)[-1] == "text <- compare the two talks from {transcript}, per all"


def test_texts_alone_are_worked_on_and_what_asks_is_asked_of_them(library):
    two = {"first": "Alpha.", "second": "Beta."}
    assert lines(decompose("Compare the two notes.", library=library, values=two)) == [
        "text <- compare the two notes from {first} and {second}, per all"
    ]
    draft = decompose("Answer it.", library=library, values={"memo": "We pay.", "asked": "Who pays?"})
    assert lines(draft) == ["answer <- answer {asked} from {memo}, per all"]
    assert not draft.wants


def test_a_question_in_quotes_is_taken_without_the_words_around_it(library):
    draft = decompose('Answer "What is the notice period?" from the contracts.', library=library)
    assert draft.wants["question"] == "What is the notice period?"
    assert asks("Use the files. Who pays?") == "Who pays?"


def test_a_text_step_keeps_the_words_and_escapes_the_signs_of_the_language(library):
    draft = decompose(
        "Draft a reply to @sam about {this} from the notes.", library=library, values={"notes": ["n"]}
    )
    assert "@@sam" in lines(draft)[0]
    assert "{{this}}" in lines(draft)[0]
    assert written_out("Then write <- a note.") == "write < - a note"
    draft = decompose("Write a reply to each letter # be kind", library=library)
    assert lines(draft)[0].startswith("text <- write a reply to each letter be kind from")


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ("Read the article aloud.", "speech-synthesis"),
        ("Send an email to the team.", "sending-messages"),
        ("Draw a logo for the shop.", "image-generation"),
    ],
)
def test_what_nobody_offers_is_refused_by_name_with_the_nearest(library, said, task):
    with pytest.raises(UsageError) as caught:
        decompose(said, library=library)
    assert task in caught.value.message
    assert "nearest" in caught.value.hint
    assert any(c.name in caught.value.hint for c in library.capabilities())


def test_what_a_package_offers_is_not_refused():
    library = fresh_library()  # others share the fixture
    library.add_capability(
        Capability(
            "speech-synthesis",
            "Speak a text.",
            (Port("text", frozenset({"text"})),),
            "audio",
            patterns=("read {text} aloud",),
        )
    )
    library.add_agent(AgentSpec("speaker", "1", "speech-synthesis", "Speaks.", "nowhere:Nothing"))
    draft = decompose("Read the texts aloud.", library=library, values={"texts": ["hello"]})
    assert [one for one in lines(draft) if "aloud" in one] == ["speech_synthesis <- read {texts} aloud"]


@pytest.mark.parametrize(
    ("said", "told"), [("", "empty"), ("   \n", "empty"), ("Xyzzy plugh.", "Nothing in this description")]
)
def test_what_says_nothing_is_refused_with_examples(library, said, told):
    with pytest.raises(UsageError, match=told) as caught:
        decompose(said, library=library)
    assert caught.value.hint


def test_pictures_cannot_be_listened_to_and_the_error_says_what_was_understood(library):
    with pytest.raises(UsageError, match=r"photos \(image\): speech-to-text takes audio") as caught:
        decompose("Transcribe them word for word.", library=library, values={"photos": ["a.png"]})
    sentences = caught.value.hint.partition(": ")[2].split("; ")
    assert len(sentences) == 4
    values = {"photos": ["a.png"], "question": "Who?", "labels": "a, b", "fields": "a"}
    for sentence in sentences:
        assert declare(f"step <- {sentence}", library=library, values=values).steps


def test_steps_that_cannot_be_bound_are_one_error_that_says_what_was_understood(library, monkeypatch):
    def unbindable(*steps, **rest):
        msg = "No."
        raise LanguageError(msg, line=1, column=1)

    monkeypatch.setattr("murakkab_jupyter.workflow.decompose.words.written", unbindable)
    with pytest.raises(UsageError, match=r"understood \(summarisation\).*No\."):
        decompose("Sum up the calls.", library=library, values=CALLS)


def test_lists_in_words_are_read():
    assert labels_in("Tag each complaint as noise, smell or light.") == "noise, smell, light"
    assert labels_in("Label each happy, sad or angry.") == "happy, sad, angry"
    assert fields_in("Note every decision separately with its date.") == "decision"
    assert labels_in("sort them into red, green and blue") == "red, green, blue"
    assert labels_in("either spam or not spam.") == "spam, not spam"
    assert labels_in("sort them well") == ""
    assert labels_in("categorise them by urgency (low, medium, high) and reply") == "low, medium, high"
    assert labels_in("sort them into good, bad and good") == "good, bad"
    assert fields_in("extract the name, the due date and the total from each bill") == "name, due_date, total"
    assert fields_in("extract everything that anybody in the room has ever said about it") == ""
    assert language_in("put it into formal Japanese") == "Japanese"
    assert language_in("into words") == ""


def test_cues_are_words_in_order_with_gaps():
    words = stems("Please look the rule up in the manual")
    hit = found("look * up", words)
    assert (hit.start, hit.end, hit.size) == (1, 5, 3)
    assert found("find|look * up", words) == hit
    assert found("^look", words) is None
    assert found("up look", words) is None
