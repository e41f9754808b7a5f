"""A description becomes steps with a language model, which is held to what inputs and capabilities allow."""

from __future__ import annotations

import json

import pytest

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.language.chat import Chat, Reply
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.workflow.decompose import ask, decompose, prompt
from murakkab_jupyter.workflow.decompose.draft import Draft, given
from murakkab_jupyter.workflow.decompose.form import reachable, results, sources
from murakkab_jupyter.workflow.decompose.words import known
from tests.workflow.parts import CALLS, lines


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


def test_a_reply_need_not_name_results_that_are_called_by_their_capability(library):
    said = {
        "steps": [
            {"capability": "speech-to-text", "inputs": ["calls"], "say": ""},
            {"capability": "summarisation", "inputs": ["transcript"], "say": "short"},
            {"capability": "summarisation", "inputs": ["summary"], "say": "shorter"},
            {"capability": "translation", "inputs": ["summary_2"], "say": "Dutch"},
        ],
        "missing": [],
    }
    draft = ask("Sum up the calls in Dutch.", FakeChat(said), library=library, values=CALLS)
    assert lines(draft) == [
        "transcript <- transcribe {calls}",
        "summary <- summarise {transcript}",
        "summary_2 <- summarise {summary}",
        "translation <- translate {summary_2} into Dutch",
    ]


def test_a_model_is_given_what_words_and_kinds_find_and_not_where_it_is_to_be_alone(library):
    chat = FakeChat(GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    job, _, guessed = chat.asked[0].partition("\nFirst guess: ")
    assert "Job: Sum up the calls.\nInputs: calls (audio)" in job
    assert [one["capability"] for one in json.loads(guessed)] == ["speech-to-text", "summarisation"]
    assert [one["inputs"] for one in json.loads(guessed)] == [["calls"], ["transcript"]]
    alone = FakeChat(GOOD)
    ask("Sum up the calls.", alone, library=library, values=CALLS, guessed=False)
    assert "guess" not in json.dumps([*alone.lead, *alone.asked]).lower()


def test_a_guess_is_given_too_where_the_inputs_are_only_named_and_labels_are_not(library):
    chat = FakeChat(GOOD)
    ask("Transcribe the calls and classify them.", chat, library=library)
    guessed = json.loads(chat.asked[0].partition("\nFirst guess: ")[2])
    assert [(one["capability"], one["inputs"]) for one in guessed] == [
        ("speech-to-text", ["calls"]),
        ("classification", ["transcript"]),
    ]


@pytest.mark.parametrize(
    ("description", "values"),
    [
        ("Which of the reports is about pets?", None),
        ("Which of the letters is about pets?", {"letters": ["Dear all."]}),
        ("What do the letters say?", {"letters": ["Dear all."], "question": "Who pays?"}),
        ("Take three frames of each scene of the films.", {"films": "a.mp4"}),
        ("Summarise the calls in German.", CALLS),
    ],
)
def test_a_model_that_keeps_its_first_guess_is_taken(library, description, values):
    class Keeps(FakeChat):
        def send(self, messages, request):
            guessed = json.loads(messages[-1]["content"].partition("\nFirst guess: ")[2])
            self.replies = [{"steps": guessed, "missing": []}]
            return super().send(messages, request)

    chat = Keeps()
    draft = ask(description, chat, library=library, values=values)
    assert len(chat.asked) == 1
    words = decompose(description, library=library, values=values)
    assert [line.partition("<-")[0] for line in lines(draft)] == [
        line.partition("<-")[0] for line in lines(words)
    ]
    allowed = branches(chat.schema)
    for one in json.loads(chat.asked[0].partition("\nFirst guess: ")[2]):
        assert set(one["inputs"]) <= set(allowed[one["capability"]]["inputs"]["items"]["enum"])


@pytest.mark.parametrize(
    ("said", "take"),
    [("8", "take 8 frames"), ("12 frames", "take 12 frames"), ("every 2 seconds", "take frames")],
)
def test_a_model_says_how_many_frames_are_taken(library, said, take):
    chat = FakeChat(steps(("shots", "frame-extraction", ["films"], said)))
    draft = ask("Look at the films.", chat, library=library, values={"films": "a.mp4"})
    assert lines(draft) == [f"shots <- {take} from {{films}}"]


def test_further_steps_of_a_capability_are_called_as_in_a_reply(library, monkeypatch):
    text = "first <- summarise {letters}\nsecond <- summarise {first}\nthird <- summarise {second}\nput <- translate {third} into Dutch\n"
    monkeypatch.setattr(prompt, "decompose", lambda *_, **__: Draft(text))
    values = {"letters": ["Dear all."]}
    description = "Sum up the letters thrice."
    found = prompt.guess(description, library, values, given(description, values))
    assert [one["inputs"] for one in found] == [["letters"], ["summary"], ["summary_2"], ["summary_3"]]


@pytest.mark.parametrize("description", ["Xyzzy plugh.", "Fasse die Anrufe zusammen, bitte."])
def test_where_words_give_nothing_or_are_not_english_a_model_gets_no_guess(library, description):
    chat = FakeChat(GOOD)
    ask(description, chat, library=library, values=CALLS)
    assert "First guess" not in chat.asked[0]


def test_jobs_with_inputs_of_the_same_kinds_are_told_the_same_up_to_their_description(library):
    """So that a server that keeps what it has read reads it once."""
    first, second = FakeChat(GOOD), FakeChat(steps(("words", "speech-to-text", ["tapes"], "")))
    ask("Sum up the calls.", first, library=library, values=CALLS)
    ask("Write down the tapes.", second, library=library, values={"tapes": "b.wav"})
    assert first.lead == second.lead
    told = [chat.asked[0].partition("Job: ")[0] for chat in (first, second)]
    assert told[0] == told[1]
    assert "speech-to-text" in told[0]


def test_a_second_question_begins_with_the_first(library):
    chat = FakeChat(steps(), GOOD)
    ask("Sum up the calls.", chat, library=library, values=CALLS)
    *_, asked, answered = chat.lead
    assert asked == {"role": "user", "content": chat.asked[0]}
    assert json.loads(answered["content"]) == steps()


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


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (SEES, "do not fit together: Step 1 .seen.: object-detection cannot take calls"),
        (FEELS, "Nobody offers telepathy.* So says the model[.]"),
    ],
)
def test_where_a_mistake_cannot_be_told_the_refusal_names_the_mistake(library, bad, told):
    chat = FakeChat(bad, Failed("The step's instructions alone do not fit."))
    with pytest.raises(UsageError, match=told) as caught:
        ask("Sum up the calls.", chat, library=library, values=CALLS)
    assert "again" not in caught.value.message
    assert "instructions alone" not in str(caught.value)
    assert "found by words and kinds: transcript, summary" in caught.value.hint


@pytest.mark.parametrize(
    ("description", "notes"),
    [
        ("Übersetze die Briefe ins Französische.", 0),
        ("Make the letters readable for us in Paris.", 1),
    ],
)
def test_what_language_is_named_is_only_known_of_english(library, description, notes):
    chat = FakeChat(steps(("put", "translation", ["letters"], "French")))
    draft = ask(description, chat, library=library, values={"letters": ["Dear all."]})
    assert lines(draft) == ["put <- translate {letters} into French"]
    assert sum("does not name French" in note for note in draft.notes) == notes


def test_a_model_that_cannot_be_asked_is_an_error(library):
    with pytest.raises(UsageError, match="could not be asked: gone"):
        ask("Sum up the calls.", FakeChat(Failed("gone")), library=library, values=CALLS)
