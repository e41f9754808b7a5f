from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.core.kinds import Box, Boxes, Frame, Origin, Passage, Scene, Video
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Outcome
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.runtime.loop_play import Play, many, worker

ANY = frozenset({"any"})
CLIP = Video(Media("/clips/a.mp4", "a", 1), 20.0, 640, 360, 25.0, has_audio=True)


def key(*indexes: int):
    return tuple(zip(("videos", "scenes", "frames"), indexes, strict=False))


def library() -> Library:
    made = Library()
    made.add_capability(Capability("one", "", (Port("material", ANY),), "any"))
    made.add_capability(Capability("many", "", (Port("material", ANY),), "any", opens=True))
    made.add_capability(
        Capability(
            "ask",
            "",
            (Port("question", ANY), Port("context", ANY, takes="either", several=True)),
            "answer",
            prompted=True,
        )
    )
    return made


def workflow(body: str | None = None) -> Workflow:
    """Scenes, frames, objects, and a summary a scene, asked a question."""
    return Workflow(
        "w",
        "",
        (Variable("videos", "video", ("videos",)), Variable("question", "text", ())),
        (
            Step("scenes", "s", "many", ("videos",), True, "scene", (Input("videos", "material", "same"),)),
            Step(
                "frames",
                "f",
                "many",
                ("videos", "scenes"),
                True,
                "frame",
                (Input("scenes", "material", "same"),),
            ),
            Step(
                "objects",
                "o",
                "one",
                ("videos", "scenes", "frames"),
                False,
                "boxes",
                (Input("frames", "material", "same"),),
            ),
            Step("notes", "n", "one", ("videos",), False, "text", (Input("videos", "material", "same"),)),
            Step(
                "summary",
                "answer {question} from {objects} and {notes}, {{so}} @@home",
                "ask",
                ("videos", "scenes"),
                False,
                "answer",
                (
                    Input("question", "question", "broadcast", in_body=True),
                    Input("objects", "context", "gather", in_body=True),
                    Input("notes", "context", "broadcast"),
                    Input("scenes", "", "same", in_body=True),
                ),
                body=body,
            ),
        ),
        Goal(),
        "",
    )


def filled(body: str | None = None) -> ValueStore:
    store = ValueStore(workflow(body), library())
    store.put("question", ROOT, "what?")
    store.put("videos", key(0), CLIP)
    store.put("scenes", key(0), [Scene(CLIP, 0.0, 5.0), Scene(CLIP, 5.0, 9.0)])
    # Frames arrive out of order, and so do the objects in them.
    store.put("frames", key(0, 1), [Frame(CLIP, 6.0)])
    store.put("frames", key(0, 0), [Frame(CLIP, 1.0), Frame(CLIP, 2.0), Frame(CLIP, 3.0)])
    for n in (2, 0, 1):
        store.put("objects", key(0, 0, n), Boxes((Box(f"thing{n}", 0.9, 0, 0, 1, 1),)))
    store.put("notes", key(0), "a note")
    return store


def test_an_openers_value_is_the_list_of_its_children_each_at_its_own_key():
    store = filled()
    assert store.get("scenes", key(0)) == [Scene(CLIP, 0.0, 5.0), Scene(CLIP, 5.0, 9.0)]
    assert store.get("scenes", key(0, 1)) == Scene(CLIP, 5.0, 9.0)
    assert store.has("scenes", key(0))
    assert not store.has("scenes", key(1))


def test_outputs_are_read_only_and_in_ancestry_order():
    outputs = filled().outputs("objects")
    assert list(outputs) == [key(0, 0, 0), key(0, 0, 1), key(0, 0, 2)]
    with pytest.raises(TypeError):
        outputs[key(0, 0, 0)] = None


def test_the_latest_value_is_the_one_that_was_put_last():
    store = ValueStore(workflow(), library())
    store.put("videos", key(1), "second")
    store.put("videos", key(0), "first")
    assert store.latest("videos") == (key(0), "first")
    assert ValueStore(workflow(), library()).latest("videos") is None


def test_a_collection_may_be_put_as_a_list_at_the_root():
    store = ValueStore(workflow(), library())
    store.put("videos", ROOT, [CLIP, CLIP])
    assert list(store.outputs("videos")) == [key(0), key(1)]


def test_a_port_of_several_gets_pairs_of_name_and_value_with_gathered_lists_in_order():
    inputs = filled().inputs_for("summary", key(0, 0))
    assert inputs.ancestry == key(0, 0)
    assert inputs.values["question"] == "what?"
    (first, objects), (second, notes) = inputs.values["context"]
    assert (first, second, notes) == ("objects", "notes", "a note")
    assert [boxes.boxes[0].label for boxes in objects] == ["thing0", "thing1", "thing2"]


def test_a_port_of_several_gets_a_list_of_pairs_even_for_one_reference_and_other_ports_the_value():
    store = filled()
    assert store.inputs_for("frames", key(0, 1)).values == {"material": Scene(CLIP, 5.0, 9.0)}
    assert isinstance(store.inputs_for("summary", key(0, 0)).values["context"], list)


def test_origins_come_from_the_value_or_from_what_it_was_made_of():
    inputs = filled().inputs_for("summary", key(0, 0))
    assert inputs.origins["question"] is None
    gathered, notes = inputs.origins["context"]
    assert gathered == [Origin("/clips/a.mp4", t, t) for t in (1.0, 2.0, 3.0)]
    assert notes == Origin("/clips/a.mp4", 0.0, 20.0)
    frame = filled().inputs_for("objects", key(0, 0, 1))
    assert frame.origin("material") == Origin("/clips/a.mp4", 2.0, 2.0)


def test_a_passage_says_its_own_origin():
    store = filled()
    own = Origin("/clips/a.mp4", 7.0, 8.0)
    store.put("notes", key(0), Passage("words", 1.0, own))
    assert store.inputs_for("summary", key(0, 0)).origins["context"][1] == own


def test_a_gather_without_values_is_an_empty_list_and_leaves_failed_ones_out():
    store = filled()
    assert store.inputs_for("summary", key(0, 1)).values["context"][0] == ("objects", [])


def test_the_prompt_is_filled_in_once_and_its_doubled_braces_are_literal():
    store = filled('Of {scenes}: {question}\nSeen: {objects}. As {{"answer": 1}} @@')
    store.put("question", ROOT, "is {objects} literal?")
    inputs = store.inputs_for("summary", key(0, 0))
    assert inputs.prompt == (
        'Of 0.0-5.0 s of a.mp4: is {objects} literal?\nSeen: thing0\nthing1\nthing2. As {"answer": 1} @@'
    )


def test_a_reference_of_the_body_alone_binds_no_port():
    inputs = filled("{scenes}").inputs_for("summary", key(0, 0))
    assert set(inputs.values) == {"question", "context"}


def test_the_sentence_has_no_braces():
    inputs = filled().inputs_for("summary", key(0, 0))
    assert inputs.sentence == "answer question from objects and notes, {so} @home"
    assert inputs.prompt is None


def test_what_is_not_there_is_named():
    store = filled()
    with pytest.raises(KeyError, match="There is no objects at videos 0 / scenes 1 / frames 0"):
        store.get("objects", key(0, 1, 0))
    with pytest.raises(KeyError, match="summary, videos 1 / scenes 0: there is no notes at videos 1"):
        store.inputs_for("summary", key(1, 0))
    with pytest.raises(KeyError, match="videos has no values at videos 0 / scenes 0"):
        store.put("videos", key(0, 0), CLIP)


def test_an_opener_that_is_done_again_with_fewer_children_leaves_none_behind():
    store = filled()
    store.put("frames", key(0, 0), [Frame(CLIP, 1.0)])
    assert list(store.outputs("frames")) == [key(0, 0, 0), key(0, 1, 0)]
    store.put("objects", key(0, 0, 0), Boxes())
    assert len(store.inputs_for("summary", key(0, 0)).values["context"][0][1]) == 3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([0.0, 0.2]))
def test_every_gather_of_a_run_sees_exactly_its_own_children_in_order(
    seed: int, videos: int, failing: float
) -> None:
    flow = workflow()
    store = ValueStore(flow, library())
    opens = {step.name: step.opens for step in flow.steps}
    seen: dict[tuple[tuple[str, int], ...], list[object]] = {}

    def do(name, ancestry):
        chance = random.Random(f"{seed} {name} {ancestry}")
        inputs = store.inputs_for(name, ancestry)
        if name == "summary":
            seen[ancestry] = inputs.values["context"][0][1]
        if chance.random() < failing:
            return Outcome(ancestry, error="no")
        children = chance.choice([0, 1, 2, 3])
        # Every value carries its true ancestry, so that mixing would show.
        value = [(*ancestry, (name, n)) for n in range(children)] if opens[name] else ancestry
        store.put(name, ancestry, value)
        return Outcome(ancestry, children=children if opens[name] else None)

    store.put("question", ROOT, ROOT)
    for one in many("videos", videos):
        store.put("videos", one, one)
    plain = Configuration("agent", instances=2, batch=3)
    loop = RunLoop(flow, {step.name: plain for step in flow.steps})
    play = Play(loop, do, [worker()], seed=seed)
    play.begin({"videos": many("videos", videos), "question": (ROOT,)})
    play.to_the_end()
    done = set(store.outputs("objects"))
    for ancestry, gathered in seen.items():
        assert gathered == sorted(one for one in done if one[:2] == ancestry)
