"""How a description is read without a language model: clauses, what is unwanted, slips, questions, references."""

from __future__ import annotations

import pytest

from murakkab_jupyter.workflow.decompose import decompose
from murakkab_jupyter.workflow.decompose.clauses import VERBS, asked_in, clauses
from murakkab_jupyter.workflow.decompose.cues import Task
from murakkab_jupyter.workflow.decompose.match import hits_in, stems
from murakkab_jupyter.workflow.decompose.refer import originals, referred, together
from murakkab_jupyter.workflow.decompose.say import fields_in, labels_in, target_language
from murakkab_jupyter.workflow.decompose.spelling import corrected
from murakkab_jupyter.workflow.language import declare

VALUES = {
    "video": "a.mp4",
    "audio": "a.mp3",
    "image": "a.png",
    "document": "a.pdf",
    "text": ["Some words."],
}


def drafted(library, said: str, **inputs: str) -> list[str]:
    """The steps of a description, as written; `inputs` are kinds."""
    draft = decompose(said, library=library, values={name: VALUES[kind] for name, kind in inputs.items()})
    return [line for line in draft.text.splitlines() if "<-" in line]


def capabilities(library, said: str, **inputs: str) -> list[str]:
    """The capabilities that a description becomes, in order."""
    values = {name: VALUES[kind] for name, kind in inputs.items()}
    draft = decompose(said, library=library, values=values)
    return [
        step.capability
        for step in declare(draft.text, library=library, values={**draft.wants, **values}).steps
    ]


@pytest.mark.parametrize(
    ("said", "moods"),
    [
        ("Type it out. I keep the lists myself.", ["request", "remark"]),
        ("We lost 4-0. I need the scores.", ["remark", "request"]),
        ("Who paid? Look it up.", ["question", "request"]),
        ("Read the page and put it into French", ["request", "request"]),
        ("rent, deposit and start date", ["request"]),
        ("We want to compare them: make a vector of each", ["remark", "request"]),
        ("Can you see a dog in it?", ["question"]),
        ("Could you sum it up?", ["request"]),
    ],
)
def test_a_clause_requests_asks_or_remarks(said, moods):
    assert [one.mood for one in clauses(said)] == moods


def test_a_verb_that_ends_a_list_begins_no_clause():
    assert len(clauses("list company, product and sum asked for")) == 1
    assert len(clauses("read the page, translate it and sum it up")) == 3
    assert {"list", "sum"} <= VERBS


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Take 12 frames, no descriptions!", "Take 12 frames, !"),
        ("read the plates but don't bother finding the cars", "read the plates"),
        ("write a note without a greeting", "write a note"),
        ("is anyone there without a helmet?", "is anyone there without a helmet?"),
    ],
)
def test_what_is_not_wanted_is_cut_out_but_a_question_keeps_its_words(said, kept):
    assert " ".join(clauses(said)[0].text.split()) == kept


def test_a_question_is_found_inside_a_request():
    (clause,) = clauses("Tell me whether the door is open")
    assert asked_in(clause) == "whether the door is open"


def test_slips_are_read_as_the_words_of_tasks_and_names_are_left_alone():
    known = {"transcribe", "receipts", "articles", "total"}
    text, made = corrected(
        "trasncribe the reciepts, articels and totl of Articel {articels} articel.md", known
    )
    assert text == "transcribe the receipts, articles and totl of Articel {articels} articel.md"
    assert made == {"trasncribe": "transcribe", "reciepts": "receipts", "articels": "articles"}
    assert corrected("readers form a article", {"reader", "from", "article"})[1] == {}


def test_a_slip_is_said_in_a_note(library):
    draft = decompose("trasncribe the calls", library=library, values={"calls": "a.mp3"})
    assert "“trasncribe” was read as “transcribe”." in draft.notes


def test_a_cue_has_choices_and_a_weak_one_counts_alone_only():
    tasks = {"a": Task(("cut|chop * piece",)), "b": Task(("~in * piece",))}
    assert set(hits_in(stems("chop it in pieces"), tasks, ())) == {"a"}
    assert set(hits_in(stems("put it in two pieces"), tasks, ())) == {"b"}
    assert not hits_in(stems("pieces"), {"c": Task(("piece",))}, {"piec"})


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        ("Are these reviews happy, mixed or cross?", "happy, mixed, cross"),
        ("tell me whether it is about illness, holidays or a complaint", "illness, holidays, complaint"),
        ("say if it's crime or romance", "crime, romance"),
        ("sort the claims: motor, household, travel", "motor, household, travel"),
        ("tell praise from blame", "praise, blame"),
        ("is the caller for or against the bypass?", "for, against"),
        ("label them theory, experiment or review", "theory, experiment, review"),
        ("tell me from those whether it rains", ""),
    ],
)
def test_alternatives_are_labels(said, labels):
    assert labels_in(said) == labels


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("contract: rent, deposit, start date", "rent, deposit, start_date"),
        ("I need the drug, the dose and the withdrawal days from it.", "drug, dose, withdrawal_days"),
        ("Name, e-mail and age out of each CV, please.", "name, e_mail, age"),
        (
            "get me the address, the kind of fire and how many people are in danger",
            "address, kind_of_fire, many_people",
        ),
        ("The owners ring and leave messages.", ""),
        ("keep five lines and two words", ""),
    ],
)
def test_lists_of_names_are_fields(said, fields):
    assert fields_in(said) == fields


@pytest.mark.parametrize(
    ("said", "whole", "language"),
    [
        ("put the German into English", "", "English"),
        ("I need that in Dutch", "", "Dutch"),
        ("transcribe the calls in Spanish", "", ""),
        ("also a Spanish version", "", "Spanish"),
        ("in German", "it is in German; put it into Welsh", ""),
        ("translate the letters to Georgian", "", "Georgian"),
        ("translate the letters to plain Georgian prose", "", "Georgian"),
        ("summarise the calls and put them to Kurdish, please", "", "Kurdish"),
        ("translate the letters sent to Kurdish refugees into Dutch", "", "Dutch"),
        ("tell me in Tibetan what they want", "", "Tibetan"),
        ("which of the reports refer to Kurdish refugees?", "", ""),
        ("which of the notes belong to Georgian suppliers?", "", ""),
        ("letters sent to Spanish-speaking customers", "", ""),
        ("find what happened to Tibetan monks", "", ""),
        ("summarise the posts, in Georgian architecture terms", "", ""),
    ],
)
def test_the_language_to_translate_into_is_not_the_one_that_words_are_in(said, whole, language):
    assert target_language(said, whole or said) == language


def test_a_clause_refers_to_results_by_what_they_are():
    made = {"speech-to-text": "transcript", "summarisation": "summary", "extraction": "record"}
    assert referred("write it from the short version", made, "text-generation") == ["summary"]
    assert referred("a letter from the filled-in fields", made, "text-generation") == ["record"]
    assert referred("draft it from the key points of the speech", made, "text-generation") == ["summary"]
    assert referred("give a summary of the summary", made, "summarisation") == []
    assert originals("judge that by the full letter")
    assert together("boil both down", ["a", "b", "c"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("said", "inputs", "steps"),
    [
        ("Is anyone on the ladder without a helmet?", {"stills": "image"}, ["visual-question-answering"]),
        (
            "Does the deed mention a right of way?",
            {"deed": "document"},
            ["chunking", "retrieval", "question-answering"],
        ),
        ("How does the mayor justify the bridge?", {"transcripts": "text"}, ["question-answering"]),
        (
            "Does a person enter the room?",
            {"camera": "video"},
            ["frame-extraction", "visual-question-answering"],
        ),
        ("Why does the speaker oppose it?", {"talk": "video"}, ["speech-to-text", "question-answering"]),
        ("What is said in it?", {"rehearsal": "audio"}, ["speech-to-text"]),
        ("What is printed on the labels?", {"bottles": "image"}, ["ocr"]),
        ("What do the photos show?", {"photos": "image"}, ["visual-description"]),
        ("Where are the birds in the photos?", {"photos": "image"}, ["object-detection"]),
        ("Which passages speak of the plague?", {"book": "document"}, ["chunking", "retrieval"]),
    ],
)
def test_a_question_goes_to_what_can_answer_it(library, said, inputs, steps):
    assert capabilities(library, said, **inputs) == steps


def test_remarks_and_what_is_unwanted_become_no_steps(library):
    said = "My pupils send me voice messages in Spanish. Type them out, no summary please. I translate them myself."
    assert capabilities(library, said, messages="audio") == ["speech-to-text"]


def test_an_answer_that_is_to_be_drafted_is_one_step(library):
    assert capabilities(library, "Sort the mails into praise and blame and draft answers.", mails="text") == [
        "classification",
        "text-generation",
    ]


def test_what_pictures_show_is_said_with_what_is_heard_beside_them(library):
    steps = drafted(library, "Take frames and describe them, given the transcript.", clip="video")
    assert any("describe {frames} given {transcript}" in line for line in steps)


def test_a_step_reads_what_its_clause_names(library):
    said = "Transcribe the calls, shorten each to 50 words, and list name, date and wish that come up in the transcript."
    steps = drafted(library, said, calls="audio")
    assert steps[1:] == [
        "summary <- summarise {transcript} in 50 words",
        'record <- extract "name, date, wish" from {transcript}',
    ]


def test_both_are_the_two_latest_results(library):
    said = "Type out what I say, take stills and describe them, and write one letter from both."
    assert "from {transcript} and {visual_description}" in drafted(library, said, clips="video")[-1]


def test_only_remarks_are_taken_as_requests_rather_than_refused(library):
    assert capabilities(library, "The talks should have been transcribed.", talks="audio") == [
        "speech-to-text"
    ]


@pytest.mark.parametrize("language", ["Tamil", "Mongolian", "Yoruba", "Malayalam"])
def test_languages_of_the_whole_world_are_put_into(library, language):
    draft = decompose(f"Put the letters into {language}.", library=library, values={"letters": ["Dear all."]})
    assert draft.text.endswith(f"translation <- translate {{letters}} into {language}\n")
    assert not draft.notes


@pytest.mark.parametrize(
    "said",
    [
        "Which of the letters refer to Kurdish refugees?",
        "Which of the letters belong to Georgian suppliers?",
        "Summarise the letters sent to Maori chiefs",
        "Summarise the letters sent to Armenian customers",
        "Summarise the letters, in Georgian architecture terms",
        "Find in the letters what happened to Tibetan monks",
    ],
)
def test_what_is_said_of_a_people_is_no_translation(library, said):
    draft = decompose(said, library=library, values={"letters": ["Dear all."]})
    assert "translate" not in draft.text.partition("\n\n")[2]


@pytest.mark.parametrize(
    ("said", "notes"),
    [
        ("Translate the letters from English.", 1),
        ("Translate the English letters.", 1),
        ("Translate the letters from Dutch to English.", 0),
        ("letters -> English", 0),
    ],
)
def test_a_language_that_is_only_translated_from_is_noted(library, said, notes):
    draft = decompose(said, library=library, values={"letters": ["Dear all."]})
    assert "into English" in draft.text
    assert sum("does not ask for English" in note for note in draft.notes) == notes


def test_a_language_that_a_description_does_not_name_is_noted(library):
    draft = decompose(
        "Translate the letters into Klingon.", library=library, values={"letters": ["Dear all."]}
    )
    assert "into English" in draft.text
    (note,) = draft.notes
    assert note.startswith("The description does not name English")
