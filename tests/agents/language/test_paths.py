"""Several paths to one text: how they are asked, and which one is kept. With real weights where marked."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.language.chat import Chat, Reply, Request
from murakkab_jupyter.agents.language.paths import SAMPLED, agreed, shared, spread
from murakkab_jupyter.agents.language.writing import AnswerWriter, TextWriter
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.core.kinds import Segment, Transcript
from murakkab_jupyter.planner.solve import make_plan
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.hardware import Figure, local_worker_view
from murakkab_jupyter.session import Session
from murakkab_jupyter.simulate.driver import evaluation, simulate
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language import declare


def reply(text: str) -> Reply:
    return Reply(text, 10, 5)


class Told(Chat):
    """A fake model that says the next of its lines whatever it is asked."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = list(lines)
        self.requests: list[Request] = []

    def send(self, messages, request):
        self.requests.append(request)
        return reply(self.lines.pop(0))


def test_the_first_path_is_asked_as_ever_and_the_others_are_sampled_with_seeds_of_their_own():
    one, two = Request((), ("a",), ()), Request((), ("b",), (), temperature=0.2, seed=5)
    asked = spread([one, two], 3)
    assert [r.frame for r in asked] == [("a",)] * 3 + [("b",)] * 3
    assert [(r.temperature, r.seed) for r in asked] == [
        (0.0, 0), (SAMPLED, 1), (SAMPLED, 2), (0.2, 5), (0.2, 6), (0.2, 7),
    ]  # fmt: skip


def test_what_most_paths_say_wins_however_it_is_punctuated():
    found = agreed(
        [reply("It is red."), reply("The work starts in May."), reply("The work starts in May!")], shared
    )
    assert found.text == "The work starts in May."


def test_where_none_agree_the_most_central_wins():
    texts = ["Bananas are yellow.", "The work starts in May.", "In May the new work starts soon."]
    assert agreed([reply(text) for text in texts], shared).text == texts[1]


def test_a_path_that_fails_costs_its_vote_and_only_all_failures_fail():
    bad = Failed("No answer.")
    assert agreed([bad, reply("In May."), bad], shared) == reply("In May.")
    assert agreed([bad, bad], shared) == bad
    assert agreed([reply(""), bad], shared) == reply("")


def test_tokens_of_all_paths_are_counted():
    chat = Told("May", "June", "May")
    agent = TextWriter(lambda options, cores: chat)
    agent.load({"paths": 3}, 1)
    agent.similar = shared
    assert agent.call([Inputs((), {}, sentence="when?")]) == ["May"]
    assert (agent.tokens().read, agent.tokens().written) == (30, 15)


def test_an_answer_by_several_paths_has_its_evidence():
    pytest.importorskip("wordllama")
    spoken = Transcript((Segment(1.0, 3.0, "The council met."), Segment(3.0, 5.0, "Work will start in May.")))
    chat = Told("The council met.", "Work will start in May.", "Work will start in May.")
    agent = AnswerWriter(lambda options, cores: chat)
    agent.load({"paths": 3}, 1)
    (made,) = agent.call(
        [Inputs((), {"question": "When will the work start?", "context": [("t", [spoken])]})]
    )
    assert made.text == "Work will start in May."
    assert made.evidence
    assert len(chat.requests) == 3


def plan_for(text: str, **values):
    library = default_library()
    workflow = declare(text, library=library, values=values)
    book = ProfileBook(library, host="here", host_speed=1.0)
    view = ClusterView((local_worker_view(cores=2, memory_bytes=16 * 10**9, speed=Figure(1.0, "1")),))
    roots = {name: value if isinstance(value, list) else [value] for name, value in values.items()}

    def evaluate(configurations, reserve):
        found = simulate(
            workflow,
            configurations,
            roots=roots,
            library=library,
            profiles=book,
            cluster=view,
            reserve=reserve,
        )
        return evaluation(found, workflow, configurations, book, view)

    return make_plan(
        workflow, Goal(), roots=roots, library=library, profiles=book, cluster=view, evaluate=evaluate
    )


@pytest.mark.media
def test_an_option_that_only_some_agents_have_rules_the_others_out_and_says_so():
    plan = plan_for("short <- summarise {notes} @summarisation max_tokens=50", notes=["Some notes.", "More."])
    step = plan.steps["short"].configuration
    assert dict(step.options)["max_tokens"] == 50
    assert step.agent == "smollm2-summary"
    assert any("max_tokens=50 rules out extractive-summary" in note for note in plan.notes)


@pytest.mark.media
def test_pinned_paths_bind_plan_and_are_predicted_to_cost_more():
    text = "a <- answer {q} from {notes}, per all @question-answering question={q} paths=%d"
    values = {"q": "When will the work start?", "notes": ["Work will start in May.", "The council met."]}
    one, three = plan_for(text % 1, **values), plan_for(text % 3, **values)
    assert dict(three.steps["a"].configuration.options)["paths"] == 3
    assert three.steps["a"].configuration.agent == "smollm2-qa"
    assert three.predicted["cpu"].value > 1.5 * one.predicted["cpu"].value


@pytest.mark.media
def test_three_real_paths_give_one_answer_that_stands_in_the_notes(tmp_path):
    text = "a <- answer {q} from {notes}, per all @question-answering question={q} paths=3"
    values = {
        "q": "When will the work start?",
        "notes": ["Work will start in May.", "The council met on Monday."],
    }
    with Session(journal=tmp_path / "j.db", profiles=tmp_path / "p.db", cores=1) as session:
        run = session.run(session.declare(text, values), reuse=False)
        assert run.status == "done"
        answer = run.outputs["a"]
        assert "May" in answer.text
        assert answer.evidence
