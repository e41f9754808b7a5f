"""Plans for described GPU servers, from published curves to what is shown. No model is run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from murakkab_jupyter.cli import main
from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal

DIGEST = "%%murakkab digest --minimize energy\nshort <- summarise {texts}\n"
DRAFT = "%%murakkab drafts --minimize cost --quality 0.2\nnote <- write a note about {texts}\n"
CHAIN = """%%murakkab chain --minimize energy
short <- summarise {texts}
other <- translate {short} into French
"""
TEXT = " ".join(f"The council of town {n} opened a bridge that cost {n} million euros." for n in range(30))


def texts(count: int) -> list[str]:
    return [f"{n}. {TEXT}" for n in range(count)]


@pytest.fixture
def on(tmp_path):
    """Make a session on a described cluster."""
    made: list[Session] = []

    def session(cluster: str) -> Session:
        made.append(Session(cluster=cluster, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"))
        return made[-1]

    yield session
    for one in made:
        one.close()


def plan_on(session: Session, cell: str, count: int, goal: Goal | None = None):
    return session.plan(session.declare(cell, {"texts": texts(count)}), goal)


def chosen(plan, step: str = "short"):
    return plan.steps[step].configuration


def described(tmp_path, gpu: str, count: int = 8, memory_gb: int = 80) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"""
workers:
  - name: mine
    cores: 32
    memory_gb: 256
    gpus: [{{name: {gpu}, memory_gb: {memory_gb}, count: {count}, idle_w: 50, peak_w: 500}}]
    idle_w: 100
    peak_w: 400
    electricity_usd_per_kwh: 0.2
"""
    )
    return str(file)


def test_a_big_summarisation_is_planned_on_a_gpu_with_the_lever_and_the_source(on):
    session = on("h100-server")
    plan = plan_on(session, DIGEST, 120)
    one = chosen(plan)
    assert (one.device, one.gpus >= 1, one.engine != "") == ("gpu", True, True)
    assert dict(one.options)["in_flight"] in (8, 16, 32, 64, 128, 253, 255, 256, 474, 511)
    for key in ("latency", "cpu", "energy", "cost", "quality"):
        assert plan.predicted[key].value is not None
        assert plan.predicted[key].source == "prior", "reading, start and length of answers are guesses"
    assert "of 8 GPUs of host h100-server" in plan.reserves.words
    words = session.explain(plan)
    assert f"in_flight={dict(one.options)['in_flight']}" in words
    (note,) = [note for note in plan.notes if note.startswith("Step short is served by")]
    for part in ("published: ML.ENERGY", "arXiv 2505.06371", "H100", "in flight"):
        assert part in note
    assert any(f"Engine {one.engine} is not running" in note and "prior" in note for note in plan.notes)
    assert not any("reference machine" in note for note in plan.notes), "nothing of it was measured there"
    assert plan.gap is not None
    assert plan.gap < 0.05


def test_a_tiny_job_stays_on_the_cpu_where_that_is_cheaper_and_a_big_one_does_not(on):
    session = on("h100-server")
    tiny, big = plan_on(session, DRAFT, 2), plan_on(session, DRAFT, 2100)
    assert chosen(tiny, "note").device == "cpu"
    assert chosen(big, "note").device == "gpu"
    assert tiny.reserves.gpus == {}


def test_generations_of_gpus_and_a_laptop_are_planned_for_differently(on):
    agents = {
        name: chosen(plan_on(on(name), DIGEST, 80)) for name in ("laptop", "h100-server", "b200-server")
    }
    assert agents["laptop"].device == "cpu"
    assert agents["h100-server"].agent.endswith("h100-summary")
    assert agents["b200-server"].agent.endswith("b200-summary")


def test_objectives_choose_different_servers(on):
    session = on("h100-server")
    plans = {
        name: plan_on(session, DIGEST, 120, Goal((name,)))
        for name in ("energy", "latency", "cost", "quality")
    }
    assert "70b" in chosen(plans["quality"]).agent
    for name in ("energy", "latency", "cost"):
        least = min(plan.predicted[name].value for key, plan in plans.items() if key != "quality")
        assert plans[name].predicted[name].value == pytest.approx(least, rel=0.02)
    assert chosen(plans["latency"]).gpus > chosen(plans["energy"]).gpus, (
        "more servers are faster, and idle more"
    )


def test_a_single_item_is_given_no_second_server(on):
    session = on("h100-server")
    problem = plan_on(session, DIGEST, 1, Goal(("latency",), 0.8))
    assert dict(chosen(problem).options)["replicas"] == 1
    pinned = plan_on(session, DIGEST.replace("{texts}", "{texts} @qwen3-14b-h100-summary replicas=4"), 1)
    assert chosen(pinned).gpus == 4, "what is pinned is not the planner's to change"


def test_a_limit_that_the_start_of_an_engine_breaks_leaves_the_cpu(on):
    session = on("h100-server")
    plan = plan_on(session, DRAFT, 4, Goal(("quality",), 0.2, deadline_s=40.0))
    assert chosen(plan, "note").device == "cpu"
    with pytest.raises(InfeasibleError, match="deadline of 20 s"):
        plan_on(session, DIGEST, 4, Goal(("energy",), "good", deadline_s=20.0))


def test_steps_that_use_one_model_share_its_engine_and_pay_one_start(on):
    session = on("h100-server")
    pinned = CHAIN.replace("{texts}", "{texts} @qwen3-14b-h100-summary").replace(
        "French", "French @qwen3-14b-h100-translate"
    )
    plan = plan_on(session, pinned, 40)
    assert {one.configuration.engine for one in plan.steps.values()} == {"qwen3-14b-h100"}
    assert plan.reserves.gpus["h100-server"] == max(one.configuration.gpus for one in plan.steps.values())
    start = session.view.engine("qwen3-14b-h100").start.value
    assert start < plan.predicted["latency"].value < 2 * start


def test_that_a_shared_engine_would_be_held_all_the_same_is_said_of_a_rival(on):
    session = on("h100-server")
    plan = plan_on(session, CHAIN, 40)
    assert chosen(plan).engine == chosen(plan, "other").engine != ""
    for step, other in (("short", "other"), ("other", "short")):
        rival = plan.steps[step].runner_up
        assert rival.configuration.engine not in ("", chosen(plan).engine)
        assert f"({chosen(plan).engine} would be held for {other} all the same)" in rival.reason


def test_more_gpus_than_there_are_is_an_error_that_says_what_to_do(on, tmp_path):
    session = on(described(tmp_path, "H100", 4))
    pinned = CHAIN.replace("{texts}", "{texts} @llama-3-1-70b-instruct-4xh100-summary").replace(
        "French", "French @qwen3-14b-h100-translate"
    )
    with pytest.raises(InfeasibleError, match="more GPUs together than the 4") as caught:
        plan_on(session, pinned, 10)
    assert caught.value.binding == "gpus"
    assert "same model" in caught.value.hint


def test_where_nobody_published_a_curve_the_figures_are_unknown(on, tmp_path):
    session = on(described(tmp_path, "A100"))
    plan = plan_on(session, DIGEST.replace("{texts}", "{texts} @llama-3-1-8b-instruct-a100-summary"), 10)
    assert plan.predicted["latency"].value is None
    assert plan.predicted["energy"].value is None
    assert any("no profile of llama-3-1-8b-instruct-a100-summary on a GPU (A100)" in n for n in plan.notes)
    assert any("Nobody published the speed of a served chat model on A100" in note for note in plan.notes)
    assert chosen(plan_on(session, DIGEST, 10)).device == "cpu", "what can be predicted is planned with"


def test_a_step_that_no_served_model_can_do_falls_back_to_the_cpu(on):
    session = on("h100-server")
    cell = "%%murakkab find --minimize energy\nhits <- find in {texts} what answers {question}, per all\nshort <- summarise {hits}, per all\n"
    plan = session.plan(session.declare(cell, {"texts": texts(50), "question": "What did the bridge cost?"}))
    assert chosen(plan, "hits").device == "cpu"
    assert chosen(plan).device == "gpu"


def test_a_curve_that_was_imported_is_planned_with_like_one_that_ships(on, tmp_path):
    session = on(described(tmp_path, "NVIDIA L4", 1, 24))
    own = replace(shipped_published().served[0], model="us/Ours-3B", gpu="L4", params_b=3.0, active_params_b=3.0, source="our own paper")  # fmt: skip
    assert chosen(plan_on(session, DIGEST, 80)).device == "cpu"
    session.profiles.store.add_served([own])
    plan = plan_on(session, DIGEST.replace("{texts}", "{texts} @ours-3b-l4-summary"), 300)
    assert plan.predicted["energy"].value is not None
    assert any("published: our own paper" in note for note in plan.notes)


def test_other_sessions_see_nothing_of_it(on, tmp_path):
    on("h100-server")
    with Session(journal=tmp_path / "a.sqlite", profiles=tmp_path / "b.sqlite") as here:
        assert not any("h100" in agent.name for agent in here.library.agents())


def test_a_plan_for_described_hardware_cannot_be_run_and_says_so(on):
    session = on("h100-server")
    declaration = session.declare(DIGEST, {"texts": texts(3)})
    with pytest.raises(
        UsageError, match="h100-server only describes hardware: a workflow can be planned for it, not run"
    ):
        session.run(declaration, session.plan(declaration))


def test_the_command_line_shows_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MURAKKAB_PROFILES", str(tmp_path / "p.sqlite"))
    file = tmp_path / "digest.murakkab"
    file.write_text(DIGEST)
    given = [word for text in texts(40) for word in ("--input", f"texts={text}")]
    assert main(["plan", str(file), *given, "--cluster", "h100-server", "--json", "-"]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    step = plan["steps"]["short"]
    assert step["device"] == "gpu"
    assert step["gpus"] >= 1
    assert plan["reserves"]["hosts"]["h100-server"]["gpus"] >= 1
    assert main(["run", str(file), *given, "--cluster", "h100-server"]) == 2
    assert "only describes hardware" in capsys.readouterr().err
