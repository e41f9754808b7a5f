"""Descriptions to cells: without a language model, and with one (a fake here) whose mistakes are caught."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Failed
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.language.chat import Chat, Reply
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose import ask, decompose, guessed_inputs
from murakkab_jupyter.workflow.decompose.draft import given
from murakkab_jupyter.workflow.decompose.form import reachable, results, sources
from murakkab_jupyter.workflow.decompose.guess import inputs_for
from murakkab_jupyter.workflow.decompose.match import found, stems
from murakkab_jupyter.workflow.decompose.refuse import foreign
from murakkab_jupyter.workflow.decompose.say import asks, fields_in, labels_in, language_in, written_out
from murakkab_jupyter.workflow.decompose.words import known
from murakkab_jupyter.workflow.language import declare
from tests.workflow.conftest import fresh_library

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "decompose"


def lines(draft) -> list[str]:
    return [line for line in draft.text.splitlines() if "<-" in line]


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


# --- with a language model ------------------------------------------------------------------------------------


class FakeChat(Chat):
    """Gives its replies one after another."""

    def __init__(self, *replies: object) -> None:
        super().__init__()
        self.replies = list(replies)
        self.asked: list[str] = []

    def send(self, messages, request):
        self.asked.append(messages[-1]["content"])
        self.schema = request.schema
        self.lead = request.lead
        reply = self.replies.pop(0)
        return (
            reply
            if isinstance(reply, Failed | Reply)
            else Reply(json.dumps(reply) if isinstance(reply, dict) else str(reply))
        )


def steps(*rows: tuple[str, str, list[str], str], missing: tuple[str, ...] = ()) -> dict[str, object]:
    made = [dict(zip(("name", "capability", "inputs", "say"), row, strict=True)) for row in rows]
    return {"steps": made, "missing": list(missing)}


CALLS = {"calls": ["a.mp3"]}
GOOD = steps(("words", "speech-to-text", ["calls"], ""), ("short", "summarisation", ["words"], ""))


def branches(schema) -> dict[str, dict[str, object]]:
    """What a schema allows a step to be, by capability."""
    every = [one["properties"] for one in schema["properties"]["steps"]["items"]["anyOf"]]
    return {one["capability"]["enum"][0]: one for one in every}


def test_a_models_steps_become_a_cell_and_it_may_only_name_known_capabilities(library):
    chat = FakeChat(GOOD)
    draft = ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert lines(draft) == ["words <- transcribe {calls}", "short <- summarise {words}"]
    allowed = branches(chat.schema)
    assert "summarisation" in allowed
    assert "python" not in allowed


def test_a_model_is_held_to_what_the_inputs_allow_and_to_kinds_that_ports_take(library):
    chat = FakeChat(GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    allowed = branches(chat.schema)
    assert "object-detection" not in allowed, "nothing here can be looked at"
    assert "object-detection" not in chat.lead[0]["content"]
    heard = allowed["speech-to-text"]["inputs"]["items"]["enum"]
    assert "calls" in heard
    assert not {"transcript", "summary", "passages"} & set(heard), "only sounds are heard"
    readable = allowed["summarisation"]["inputs"]["items"]["enum"]
    assert "transcript" in readable
    assert "calls" not in readable, "a sound is no words"
    assert "vectors" not in readable
    assert "summary" not in readable, "a step does not read itself"


@pytest.mark.parametrize(
    ("values", "there", "absent"),
    [
        ({"letters": ["Dear all."]}, {"translation", "retrieval", "extraction"}, {"ocr", "speech-to-text"}),
        (
            {"scans": "a.png"},
            {"ocr", "object-detection", "summarisation"},
            {"frame-extraction", "speech-to-text"},
        ),
        ({"films": "a.mp4"}, {"scene-detection", "ocr", "speech-to-text", "translation"}, set()),
    ],
)
def test_what_inputs_allow_is_followed_through_the_kinds_that_steps_make(library, values, there, absent):
    found = set(reachable(known(library), given("Do it.", values)))
    assert there <= found
    assert not absent & found


def test_replies_that_a_schema_allows_bind_for_every_pair_of_capabilities(library):
    """Whatever the schema lets a model say of two steps, one of which reads the other, has the right kinds."""
    values = {"films": "a.mp4", "scans": "a.png", "papers": "a.pdf", "letters": ["Dear all."]}
    inputs = given("Do it.", values)
    capabilities = known(library)
    within = reachable(capabilities, inputs)
    kinds = {**inputs.media, **{name: one.output for cap, one in within.items() for name in results(cap)}}
    for name, one in within.items():
        for source in sources(name, within, inputs):
            assert any(port.accepts(kinds[source]) for port in one.ports if not port.stated), (name, source)


def test_steps_that_are_left_out_and_read_are_put_in_by_kind_and_noted(library):
    said = steps(("sum", "summarisation", ["visual_description", "transcript"], ""))
    draft = ask("What happens?", FakeChat(said), library=library, values={"films": "a.mp4"})
    assert lines(draft) == [
        "transcript <- transcribe {films}",
        "frames <- take frames from {films}",
        "visual_description <- describe {frames}",
        "sum <- summarise {visual_description} and {transcript}, per films",
    ]
    assert "frames was put in, since visual_description reads it." in draft.notes


def test_what_no_capability_makes_is_not_put_in(library):
    said = steps(("sum", "summarisation", ["writing"], ""))
    with pytest.raises(UsageError, match="'writing', which is no input and no earlier step"):
        ask("What do they say?", FakeChat(said, said), library=library, values=CALLS)


def test_steps_may_be_named_before_what_they_read(library):
    turned = {"steps": GOOD["steps"][::-1], "missing": []}
    draft = ask("Sum up the calls.", FakeChat(turned), library=library, values=CALLS)
    assert lines(draft) == ["words <- transcribe {calls}", "short <- summarise {words}"]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (steps(("short", "summarisation", ["words"], "")), "no input and no earlier step"),
        (steps(("short", "summarisation", [], "")), "needs"),
        (steps(("seen", "object-detection", ["calls"], "")), "cannot take calls"),
        (steps(("words", "speech-to-text", [], "")), "needs"),
        (steps(("x", "telepathy", ["calls"], "")), "nobody offers: telepathy"),
        (steps(("short", "summarisation", ["short"], "")), "no input and no earlier step"),
        (steps(), "no steps"),
        (steps(missing=("Speech",)), "Nobody offers speech"),
        ("I would transcribe it.", "no JSON"),
        (Reply('{"steps": [', written=700, complete=False), "cut off after 700 tokens"),
        ("", "no JSON"),
    ],
)
def test_a_mistake_is_told_once_and_its_correction_taken(library, bad, told):
    chat = FakeChat(bad, GOOD)
    assert "summarise {words}" in ask("Sum up the calls.", chat, library=library, values=CALLS).text
    assert told in chat.asked[1]


SEES = steps(("seen", "object-detection", ["calls"], ""))
FEELS = steps(("felt", "Telepathy", ["calls"], ""))
SINGS = steps(missing=("Music generation",))


def test_after_a_second_mistake_the_refusal_names_it_and_offers_the_way_without_a_model(library):
    chat = FakeChat(SEES, SEES)
    with pytest.raises(UsageError, match="object-detection cannot take calls, which is audio") as caught:
        ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert not chat.replies, "it was asked twice"
    assert "takes picture" in caught.value.hint
    assert "without --writer" in caught.value.hint
    assert "found by words and kinds: transcript, summary" in caught.value.hint


@pytest.mark.parametrize(("said", "name"), [(FEELS, "telepathy"), (SINGS, "music-generation")])
def test_a_second_mistake_over_what_nobody_offers_is_refused_by_its_name(library, said, name):
    chat = FakeChat(said, said)
    with pytest.raises(UsageError, match=f"Nobody offers {name}") as caught:
        ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert not chat.replies, "it was asked twice"
    assert "The nearest are" in caught.value.hint
    assert "transcript, summary" in caught.value.hint


def test_a_model_that_speaks_no_json_is_refused_in_words_for_people(library):
    with pytest.raises(UsageError, match="no JSON object") as caught:
        ask("Sum up the calls.", FakeChat("I would.", ""), library=library, values=CALLS)
    assert "Reply" not in caught.value.hint
    assert "Another model" in caught.value.hint
    assert "without --writer" in caught.value.hint


def test_where_it_is_not_understood_without_the_model_either_both_reasons_are_said(library):
    with pytest.raises(UsageError, match="cannot take calls") as caught:
        ask("Xyzzy plugh.", FakeChat(SEES, SEES), library=library, values=CALLS)
    assert "not found either: Nothing in this description" in caught.value.hint


def test_a_step_that_a_model_repeats_is_taken_once(library):
    said = [(f"words_{n}" if n else "words", "speech-to-text", ["calls"], "transcribe") for n in range(3)]
    chat = FakeChat(steps(*said, ("short", "summarisation", ["words_2"], "")))
    assert lines(ask("Sum up the calls.", chat, library=library, values=CALLS)) == [
        "words <- transcribe {calls}",
        "short <- summarise {words}",
    ]


@pytest.mark.parametrize(
    ("description", "said", "language"),
    [
        ("The calls are in Spanish; make them readable for colleagues in Berlin.", "into German", "German"),
        ("Put the calls into Dutch.", "into French", "Dutch"),  # the example's, repeated
        ("Put the Dutch calls into French.", "into French", "French"),
        ("Make the calls readable for us in Paris.", "into French", "French"),
    ],
)
def test_a_models_language_counts_unless_it_only_repeats_the_examples(library, description, said, language):
    chat = FakeChat(
        steps(("words", "speech-to-text", ["calls"], ""), ("put", "translation", ["words"], said))
    )
    draft = ask(description, chat, library=library, values=CALLS)
    assert lines(draft)[-1] == f"put <- translate {{words}} into {language}"


def test_what_a_model_says_is_missing_and_is_there_is_told_to_it(library):
    chat = FakeChat(steps(missing=("speech to text",)), GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert "not missing" in chat.asked[1]


def test_what_a_model_misses_and_these_inputs_cannot_give_is_told_with_what_there_is(library):
    chat = FakeChat(steps(missing=("OCR",)), GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert "ocr takes frame or image, and there is calls (audio)" in chat.asked[1]


def test_a_model_that_says_that_nothing_is_missing_misses_nothing(library):
    chat = FakeChat({**GOOD, "missing": ["None", ""]})
    assert "summarise {words}" in ask("Sum up the calls.", chat, library=library, values=CALLS).text


def test_a_model_that_repeats_what_the_example_misses_misses_nothing_unless_the_job_asks_for_it(library):
    chat = FakeChat({**GOOD, "missing": ["knitting"]})
    assert "summarise {words}" in ask("Sum up the calls.", chat, library=library, values=CALLS).text
    assert "knitting" in json.dumps(chat.lead), "this is what the example misses"
    lacks = {**GOOD, "missing": ["knitting"]}
    with pytest.raises(UsageError, match="Nobody offers knitting"):
        ask("Sum up the calls and knit a scarf.", FakeChat(lacks, lacks), library=library, values=CALLS)


def test_no_example_misses_what_a_job_may_need(library):
    chat = FakeChat(GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    answers = [json.loads(one["content"]) for one in chat.lead if one["role"] == "assistant"]
    assert [one for answer in answers for one in answer["missing"]] == ["knitting"]


def test_a_model_that_cannot_be_asked_is_an_error(library):
    with pytest.raises(UsageError, match="could not be asked: gone"):
        ask("Sum up the calls.", FakeChat(Failed("gone")), library=library, values=CALLS)


# --- the evaluation set ---------------------------------------------------------------------------------------


def jobs(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]


def benchmark():
    spec = importlib.util.spec_from_file_location("decompose_benchmark", DATA.parents[1] / "decompose.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sets_for_judging_are_the_ones_that_were_committed():
    for name in ("held", "strangers"):
        assert hashlib.sha256((DATA / f"{name}.jsonl").read_bytes()).hexdigest() == benchmark().SETS[name]


def test_the_set_is_as_large_and_as_free_of_capability_words_as_it_says(library):
    held, development = jobs("held"), jobs("development")
    assert len(held) + len(development) >= 60
    assert len({job["domain"] for job in [*held, *development]}) >= 6
    assert sum(job["free"] for job in held) * 3 >= len(held)
    names = {part for c in library.capabilities() for part in c.name.split("-")} - {"to", "python"}
    stop = {"text", "question"}  # also names of inputs
    roots = {re.sub(r"(?:ation|ion|al|ing)$", "", name) for name in names - stop}
    for job in held:
        if job["free"]:
            words = re.findall(r"\w+", str(job["description"]).lower())
            assert not [
                word for word in words for root in roots if word.startswith(root) and len(root) > 3
            ], job
        assert {one for edge in job["edges"] for one in edge} <= set(job["nodes"])
        assert set(job["nodes"]) <= {c.name for c in library.capabilities()}


@pytest.mark.media
@pytest.mark.parametrize(("name", "least"), [("development", 0.95), ("varied", 0.9), ("strangers", 0.9)])
def test_sets_that_methods_learn_from_are_understood(library, name, least):
    pytest.importorskip("wordllama")
    module = benchmark()
    right = proposed = gold = 0
    for job in module.jobs(name):
        values = module.values_of(job)
        draft = decompose(job["description"], library=library, values=values)
        nodes, _ = module.graph(draft.text, values, dict(draft.wants), library)
        right += len(nodes & set(job["nodes"]))
        proposed += len(nodes)
        gold += len(job["nodes"])
    assert 2 * right / (proposed + gold) >= least
