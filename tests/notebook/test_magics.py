"""The magics in a real kernel, on a real local cluster, with functions of the user's as agents."""

from __future__ import annotations

import json
import re

import pytest

from murakkab_jupyter.notebook.live import STOP_S

FUNCTIONS = """
import signal, time

def shout(text):
    return text.upper()

def slow(text):
    time.sleep(0.4)
    return text.upper()

def picky(text):
    if text == "w2":
        raise ValueError("<script>alert(1)</script>")
    return text

marks = {}

def noted(number, frame):
    marks["interrupted"] = time.monotonic()
    raise KeyboardInterrupt

def begun(info):
    signal.signal(signal.SIGINT, noted)  # the kernel has set its own for this cell just before

def ended(result):
    if "interrupted" in marks:
        marks.setdefault("took_s", time.monotonic() - marks["interrupted"])

get_ipython().events.register("pre_run_cell", begun)
get_ipython().events.register("post_run_cell", ended)
words = [f"w{i}" for i in range(6)]
many = [f"w{i}" for i in range(60)]
%config MurakkabMagics.saved_kb = 0
"""


@pytest.fixture(scope="module")
def loaded(kernel):
    reply = kernel.run("%load_ext murakkab_jupyter")
    assert reply.error is None
    kernel.first_line = reply.text
    kernel.first_s = reply.seconds
    assert kernel.run(FUNCTIONS).error is None
    return kernel


@pytest.fixture(scope="module")
def ran(loaded):
    """`loudly` has been declared and run, whichever tests are picked."""
    cell = "%%murakkab loudly --minimize latency --run --fresh\nloud <- shout {words} @python:shout\n"
    assert loaded.run(cell).error is None
    return loaded


def test_loading_prints_one_line_with_version_and_hardware_and_starts_nothing(loaded):
    from murakkab_jupyter import __version__

    assert "\n" not in loaded.first_line
    assert __version__ in loaded.first_line
    assert "core" in loaded.first_line
    assert "GPU" in loaded.first_line or "estimated numbers are marked" in loaded.first_line
    assert loaded.first_s < 15  # 1 s where nothing else is at work
    assert loaded.run("import sys; print('distributed' in sys.modules)").streams == ["False\n"]


def test_loading_again_changes_nothing(loaded):
    before = loaded.run("print(id(get_ipython().magics_manager.registry['MurakkabMagics']))").streams
    assert loaded.run("%reload_ext murakkab_jupyter").error is None
    assert loaded.run("print(id(get_ipython().magics_manager.registry['MurakkabMagics']))").streams == before


def test_a_cell_without_values_says_what_is_missing_and_is_no_error(loaded):
    reply = loaded.run("%%murakkab later\nloud <- shout {nothing_yet} @python:shout\n")
    assert reply.error is None
    assert "nothing_yet has no value" in reply.text


def test_a_pinned_function_that_is_not_there_is_asked_for_and_a_builtin_is_to_be_wrapped(loaded):
    reply = loaded.run("%%murakkab later\nsize <- measure {words} @python:tally_up\n")
    assert reply.error is None
    assert "the notebook has no function tally_up" in reply.text
    error = loaded.run("%%murakkab later\nsize <- measure {words} @python:len\n").error
    assert error[0] == "LanguageError"
    assert "`len` is a builtin of Python" in error[1]
    assert "def my_len(text): return len(text)" in error[1]


def test_a_cell_to_be_run_without_values_is_an_error_that_points(loaded):
    reply = loaded.run("%%murakkab later --run\nloud <- shout {nothing_yet} @python:shout\n")
    name, message, traceback = reply.error
    assert name == "LanguageError"
    assert "line 2, column 15" in message
    assert "^^^^" in message
    assert len(traceback) == 1
    assert "Traceback" not in traceback[0]


def test_a_slip_in_a_name_is_an_error_with_the_nearest_name(loaded):
    reply = loaded.run("%%murakkab later\nloud <- shout {wrds} @python:shout\n")
    assert "Did you mean {words}" in reply.error[1]


def test_a_slip_in_the_name_of_a_step_is_an_error_too(loaded):
    reply = loaded.run(
        "%%murakkab later\nloud <- shout {words} @python:shout\nmore <- shout {loude} @python:shout\n"
    )
    assert reply.error[0] == "LanguageError"
    assert "Did you mean {loud}" in reply.error[1]


def test_a_wrong_option_of_a_line_is_a_usage_error(loaded):
    reply = loaded.run("%murakkab bill --jsn")
    assert reply.error[0] == "UsageError"
    assert "Did you mean --json?" in reply.error[1]
    assert len(reply.error[2]) == 1
    reply = loaded.run("%murakkab bill --frsh")
    assert "There are: --json, --help." in reply.error[1]


def test_the_stack_is_still_there_for_those_who_ask(loaded):
    loaded.run("%%murakkab w --minimise energy\nloud <- shout {words} @python:shout\n")
    reply = loaded.run("%tb")
    assert "in header_options" in reply.text + str(reply.error)


def test_the_plan_comes_first_and_nothing_runs(loaded):
    reply = loaded.run("%%murakkab loudly --minimize latency\nloud <- shout {words} @python:shout\n")
    assert reply.error is None
    assert "Plan: loudly" in reply.text
    assert "<table" in reply.html
    assert "Results" not in reply.text
    assert "No runs yet" in loaded.run("%murakkab history").text


def test_after_a_cell_that_declares_nothing_no_other_is_run_in_its_place(loaded):
    cells = (
        ("later\nloud <- shout {wrds} @python:shout", "mend it and run it again"),
        ("later\nloud <- shout {nothing_yet} @python:shout", "lacks a value of nothing_yet: set it"),
        ("later\nloud <- shout {words} @python:cry", "lacks the function cry: set it"),
        ("later --minimize {gaol}\nloud <- shout {words} @python:shout", "mend it and run it again"),
    )
    for cell, said in cells:
        loaded.run(f"%%murakkab {cell}\n")
        error = loaded.run("%murakkab run").error
        assert error[0] == "UsageError"
        assert said in error[1]
        assert "name what is meant: loudly" in error[1]
        assert loaded.run("%murakkab plan loudly").error is None
        # Help, and a verb that was meant for a line, declare nothing and take nothing back.
        loaded.run("%%murakkab loudly --minimize latency\nloud <- shout {words} @python:shout\n")
        loaded.run("%%murakkab --help\n\n")
        assert loaded.run("%%murakkab run\nloud <- shout {words} @python:shout\n").error[0] == "UsageError"
        assert loaded.run("%murakkab plan").error is None
    assert "No runs yet" in loaded.run("%murakkab history").text


def test_after_a_description_the_cell_with_its_steps_is_asked_for(loaded):
    loaded.run("letters = ['The bridge is closed.']")
    assert loaded.run("%%murakkab\nSummarise the letters.\n").error is None
    assert "run the cell with its steps" in loaded.run("%murakkab run").error[1]
    loaded.run("%%murakkab loudly --minimize latency\nloud <- shout {words} @python:shout\n")
    assert loaded.run("%murakkab plan").error is None


def test_a_cell_is_not_complete_after_its_first_line(loaded):
    code = "get_ipython().check_complete('%%murakkab news')[0]"
    assert loaded.run(f"assert {code} == 'incomplete', {code}").error is None


def test_a_run_shows_progress_then_results_and_bill_in_one_place(loaded):
    loaded.run("%%murakkab loudly --minimize latency\nloud <- shout {words} @python:shout\n")
    reply = loaded.run("%murakkab run")
    assert reply.error is None
    assert "W5" in reply.text
    assert "Bill" in reply.text
    assert "W5" in reply.html
    assert len(reply.shown) == 1, "one display that is updated, nothing that grows"
    assert reply.streams == []
    assert loaded.run("list(loudly.outputs['loud'].values())").text == "['W0', 'W1', 'W2', 'W3', 'W4', 'W5']"


def test_a_run_is_shown_by_its_name(ran):
    reply = ran.run("loudly")
    assert "W5" in reply.text
    assert "text/html" in reply.shown[0]


def test_what_is_asked_for_by_its_name_is_counted_in_what_the_notebook_takes(ran):
    ran.run(
        "screen = get_ipython().magics_manager.registry['MurakkabMagics'].screen\n"
        "held = lambda: sum(size for _, size in screen.room._held.values())\n"
        "from murakkab_jupyter.core.kinds import Answer"
    )
    for shown in ("loudly", "loudly.plan", "Answer('Yes. ' * 100)"):
        before = int(ran.run("held()").text)
        reply = ran.run(shown)
        assert int(ran.run("held()").text) >= before + len(reply.html) > before


def test_progress_comes_at_most_four_times_a_second(loaded):
    reply = loaded.run("few = many[:12]\n")
    reply = loaded.run("%%murakkab paced --run --fresh\nloud <- shout {few} @python:slow\n")
    assert reply.error is None
    times = [at for at, data in reply.updates if "Run of" in data["text/plain"]]
    assert len(times) >= 3
    # The first and the last come at once; one more where the machine held an early one up.
    assert len(times) - 3 <= 4 * (times[-1] - times[0]), times
    assert any("to go" in data["text/plain"] for _, data in reply.updates)


def stopped(loaded, name):
    """A run of 60 new items under a name, stopped by an interrupt once some are done; what its cell sent."""

    def under_way(reply):
        return any(re.search(r"loud .*[1-9]\d* of", data["text/plain"]) for _, data in reply.updates)

    loaded.run("marks.clear()\nnew = [f'w{i} of {time.time_ns()}' for i in range(60)]")
    cell = f"%%murakkab {name} --run\nloud <- shout {{new}} @python:slow\n"
    reply = loaded.run(cell, interrupt_when=under_way)
    loaded.run(f"_ = {name}.wait(60)")
    return reply


def test_the_stop_button_stops_within_a_second_and_says_how_far_it_got(loaded):
    reply = stopped(loaded, "stoppable")
    # Whatever its workers do it waits for them no longer than this; what is more, a slow machine takes. 10 s of work were left.
    assert STOP_S < 1.0
    assert float(loaded.run("print(marks['took_s'])").streams[0]) < 5.0
    name, message, traceback = reply.error
    assert name == "StoppedError"
    assert traceback == [message]
    assert message == "stopped: 0 of 1 steps done; run the cell again to go on"
    assert "Run of stoppable: stopped" in reply.text, "what is left on the page does not say that it runs"
    assert "to go ·" not in reply.text
    assert loaded.run("print(stoppable.status)").streams == ["stopped\n"]
    assert int(loaded.run("print(len(stoppable.outputs['loud']))").streams[0]) >= 1


def test_a_stopped_run_goes_on_with_resume(loaded):
    stopped(loaded, "resumable")
    done = int(loaded.run("print(len(resumable.outputs['loud']))").streams[0])
    assert 1 <= done < 60
    reply = loaded.run("%murakkab resume", timeout_s=120)
    assert reply.error is None
    assert "W59" in reply.text
    assert loaded.run("print(resumable.status)").streams == ["done\n"]


def test_in_the_background_the_cell_returns_at_once_with_a_handle(loaded):
    reply = loaded.run("%%murakkab behind --background --fresh\nloud <- shout {many} @python:slow\n")
    assert reply.error is None
    assert loaded.run("print(behind.status)").streams == ["running\n"]
    assert "behind" in loaded.run("%murakkab status").text
    assert "being stopped" in loaded.run("%murakkab stop").text
    loaded.run("_ = behind.wait(60)")
    assert loaded.run("print(behind.status)").streams == ["stopped\n"]


def test_a_run_in_the_background_writes_its_json_when_it_has_ended(loaded, tmp_path):
    file = tmp_path / "out.json"
    reply = loaded.run(
        f"%%murakkab aside --background --json {file}\nloud <- shout {{words}} @python:shout\n"
    )
    assert reply.error is None
    loaded.run(
        "_ = aside.wait(60); [one.thread.join(60) for one in get_ipython().magics_manager.registry['MurakkabMagics'].followers]"
    )
    assert json.loads(file.read_text())["status"] == "done"


def test_a_variable_of_the_user_is_never_overwritten(loaded):
    loaded.run("precious = {'a': 1}")
    reply = loaded.run("%%murakkab precious --run\nloud <- shout {words} @python:shout\n")
    assert reply.error is None
    assert "precious (dict) is left alone" in reply.text
    assert loaded.run("precious").text == "{'a': 1}"
    assert loaded.run("murakkab_run.outputs['loud'][(('words', 0),)]").text == "'W0'"


def test_an_item_that_fails_is_named_escaped_and_costs_nothing_else(loaded):
    reply = loaded.run("%%murakkab choosy --run\nkept <- check {words} @python:picky\n")
    assert "words 2" in reply.text
    assert "alert(1)" in reply.text
    assert "<script" not in reply.html
    assert loaded.run("print(choosy.status, len(choosy.outputs['kept']))").streams == ["partial 5\n"]


def test_a_run_that_lacks_items_ends_its_cell_with_an_error_where_that_is_asked_for(loaded):
    loaded.run("%config MurakkabMagics.partial = 'error'")
    try:
        reply = loaded.run("%%murakkab strict --run\nkept <- check {words} @python:picky\n")
        assert reply.error[0] == "AgentError"
        assert "partial" in reply.error[1]
        assert "words 2" in reply.text, "what could be made is shown before"
        assert loaded.run("print(len(strict.outputs['kept']))").streams == ["5\n"]
        assert "expected any of" in loaded.run("%config MurakkabMagics.partial = 'never'").streams[0]
    finally:
        assert loaded.run("%config MurakkabMagics.partial = 'show'").error is None
    assert loaded.run("%murakkab run strict").error is None


@pytest.mark.parametrize(
    "text", ["%%murakkab", "%%murakkab emptied\n", "%%murakkab emptied --run", "\n%%murakkab emptied\n\n"]
)
def test_a_cell_without_a_body_is_an_error_that_says_what_to_write(loaded, text):
    reply = loaded.run(text)
    assert reply.error[0] == "LanguageError"
    assert "<-" in reply.error[1]


def test_the_help_of_a_cell_needs_no_body(loaded):
    assert "%murakkab VERB" in loaded.run("%%murakkab --help").text


def test_a_run_of_which_nothing_came_is_a_real_error(loaded):
    loaded.run("bad = ['w2']")
    reply = loaded.run("%%murakkab hopeless --run\nkept <- check {bad} @python:picky\n")
    assert reply.error[0] == "AgentError"
    assert "bad 0" in reply.text
    assert len(reply.error[2]) == 1


def test_an_impossible_goal_shows_the_nearest_plan_and_is_an_error(ran):
    reply = ran.run("%murakkab plan loudly --deadline 0.000001s")
    assert reply.error[0] == "InfeasibleError"
    assert "Nearest plan" in reply.text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("status", "loudly"),
        ("history", "loudly"),
        ("bill loudly", "idle"),
        ("agents", "Agents"),
        ("models", "Models"),
        ("cluster", "cores"),
        ("explain loudly", "Plan for loudly"),
        ("frontier loudly", "Frontier"),
        ("profile", "Profile"),
        ("export loudly --python", "session.declare"),
        ("help", "VERB"),
        ("", "VERB"),
        ("run --help", "--minimize"),
    ],
)
def test_every_verb_answers_with_html_and_text(ran, line, words):
    reply = ran.run(f"%murakkab {line}")
    assert reply.error is None
    assert words in reply.text
    assert "text/html" in reply.shown[-1]


def test_a_wrong_verb_is_a_real_error_of_one_message(loaded):
    reply = loaded.run("%murakkab pln")
    assert reply.error[0] == "UsageError"
    assert "Did you mean plan?" in reply.error[1]
    assert reply.streams == []


def test_a_cell_that_is_run_again_reuses_what_it_made(loaded):
    reply = loaded.run("%%murakkab loudly --run\nloud <- shout {words} @python:shout\n")
    assert reply.error is None
    assert "W5" in reply.text


def test_braces_and_dollars_in_a_body_are_left_alone(loaded):
    reply = loaded.run("HOME = 'x'\n")
    reply = loaded.run("%%murakkab kept\nloud <- shout {words} for $HOME @python:shout\n")
    assert reply.error is None
    assert loaded.run("%murakkab export kept --python").text.count("$HOME") == 1


def test_a_workflow_is_written_as_a_python_file(ran, tmp_path):
    file = tmp_path / "loudly.py"
    assert str(file) in ran.run(f"%murakkab export loudly {file} --python").text
    assert "session.declare" in file.read_text(encoding="utf-8")
    assert "--python" in ran.run(f"%murakkab export loudly {file}").error[1]
    assert "ends in .py" in ran.run("%murakkab export --python out.txt").error[1]


def test_another_cell_adds_steps_and_takes_over_those_of_its_names_with_a_notice(loaded):
    loaded.run("%%murakkab grown\nloud <- shout {words} @python:shout\nagain <- shout {loud} @python:shout\n")
    reply = loaded.run("%%murakkab grown\nmore <- shout {loud} @python:shout\n")
    assert reply.error is None
    assert all(name in reply.text for name in ("loud", "again", "more"))
    assert "Replaced" not in reply.text
    reply = loaded.run("%%murakkab grown\nagain <- shout {more} @python:shout\n")
    assert reply.error is None
    assert "Replaced what an earlier cell said of: again." in reply.text


def test_a_mistake_in_one_of_several_cells_points_at_its_own_line(loaded):
    loaded.run("bits = ['one']")
    loaded.run("%%murakkab parts\n\nA description.\n\nloud <- shout {bits} @python:shout\n")
    reply = loaded.run("%%murakkab parts\nmore  <-  shout   {louds} @python:shout\n")
    assert reply.error[1].startswith("line 2, column 19: {louds} is no step")
    assert "more  <-  shout   {louds} @python:shout" in reply.error[1]
    reply = loaded.run("%%murakkab parts\nmore <- shout {loud} @python:shout, per bit\n")
    assert reply.error[1].startswith("line 2, ")
    loaded.run("%%murakkab parts\nmore <- shout {loud} @python:shout\n")
    loaded.run("del bits")
    reply = loaded.run("%%murakkab parts --run\nlast <- shout {more} @python:shout\n")
    assert "In an earlier cell of this workflow: {bits}" in reply.error[1]


def test_a_plan_says_beforehand_what_is_taken_from_earlier_runs_and_what_is_stale(loaded):
    loaded.run("now = time.time_ns()\ntones = [f'do {now}', f're {now}']")
    loaded.run(
        "%%murakkab tune --run\nfirst <- shout {tones} @python:shout\nlast <- shout {first} @python:shout\n"
    )
    reply = loaded.run("%murakkab plan tune")
    assert "Nothing has changed: a run takes everything from earlier runs (first, last)" in reply.text
    loaded.run("tones.append(f'mi {now}')")
    reply = loaded.run("%murakkab run tune")
    plan, result = reply.shown
    assert "Taken from earlier runs: first (2 of 3), last (2 of 3)." in " ".join(plan["text/plain"].split())
    assert "3, 2 reused" in result["text/plain"]
    loaded.run("del tones")
    assert "tones has no value any more" in loaded.run("%murakkab run tune").text


def test_a_name_of_pythons_own_stays_what_it_is(loaded):
    loaded.run("tones = ['do']")
    reply = loaded.run("%%murakkab list --run\nloud <- shout {tones} @python:shout\n")
    assert reply.error is None
    assert "list is a name of Python's own" in reply.text
    assert loaded.run("print(list(murakkab_run.outputs['loud'].values()))").streams == ["['DO']\n"]


def test_a_variable_that_changed_is_seen_by_the_next_run(loaded):
    loaded.run("phrase = ['one']")
    loaded.run("%%murakkab seen\nloud <- shout {phrase} @python:shout\n")
    loaded.run("phrase = ['two']")
    assert "TWO" in loaded.run("%murakkab run seen").text


def test_a_list_that_was_added_to_in_place_is_seen_by_the_next_run(loaded):
    loaded.run("phrases = ['one']")
    loaded.run("%%murakkab adding\nloud <- shout {phrases} @python:shout\n")
    loaded.run("phrases.append('three')")
    assert "THREE" in loaded.run("%murakkab run adding").text
    loaded.run("phrases[0] = 'four'")
    reply = loaded.run("%murakkab plan adding")
    assert reply.error is None
    loaded.run("phrases.clear()")
    assert "empty list" in loaded.run("%murakkab run adding").error[1]


def test_what_lies_in_a_folder_now_is_seen_by_the_next_run(loaded, tmp_path):
    (tmp_path / "one.txt").write_text("The first page.")
    loaded.run(f"pages = {str(tmp_path)!r}")
    loaded.run("%%murakkab shelf\ngist <- summarise {pages} in 20 words\n")
    assert "The first page." in loaded.run("%murakkab run shelf").text
    (tmp_path / "two.txt").write_text("The second page.")
    assert "The second page." in loaded.run("%murakkab run shelf").text
    (tmp_path / "one.txt").write_text("The first page, written anew.")
    assert "written anew" in loaded.run("%murakkab run shelf").text


def test_results_go_to_files(loaded):
    loaded.run("numbers = ['one', 'two']")
    assert loaded.run("%%murakkab filed --run\nloud <- shout {numbers} @python:shout\n").error is None
    reply = loaded.run("%murakkab export filed out.parquet out.csv out.json")
    assert reply.error is None
    assert loaded.run("print(open('out.csv').read().count('TWO'))").streams == ["1\n"]
    assert "transcript" in loaded.run("%murakkab export filed out.srt").error[1]


def test_the_help_of_the_magic_fits_a_screen(loaded):
    reply = loaded.run("print(get_ipython().magics_manager.magics['cell']['murakkab'].__doc__)")
    assert 10 < len(reply.streams[0].splitlines()) < 40


def complete(kernel, code, cursor=None):
    message = kernel.client.complete(code, len(code) if cursor is None else cursor, reply=True, timeout=60)
    return message["content"]["matches"]


def test_completion_knows_verbs_options_choices_steps_variables_and_agents(ran):
    assert "explain" in complete(ran, "%murakkab ex")
    assert "--minimize" in complete(ran, "%%murakkab w --min")
    assert complete(ran, "%murakkab bill --") == ["--json"]
    assert complete(ran, "%%murakkab w --minimize ") == ["cost", "energy", "latency"]
    body = "%%murakkab w\nloud <- shout {words} @python:shout\nmore <- shout {"
    assert {"words", "loud"} <= set(complete(ran, body))
    assert "extractive-summary" in complete(ran, "%%murakkab w\na <- summarise {words} @extr")
    assert "loudly" in complete(ran, "%murakkab explain lou")


def test_completion_of_python_cells_is_as_before(ran):
    assert "outputs" in complete(ran, "loudly.outp")


# --- variables in the line --------------------------------------------------------------------------------------


def test_a_goal_can_be_set_from_a_variable(loaded):
    loaded.run("aim = 'latency'\nlimit = '2 min'\nfloor = 0.5")
    reply = loaded.run(
        "%%murakkab aimed --minimize {aim} --deadline {limit}\nloud <- shout {words} @python:shout\n"
    )
    assert reply.error is None
    assert "minimize latency" in reply.text
    assert "deadline 120 s" in reply.text
    loaded.run("aim = 'energy'")
    assert "minimize energy" in loaded.run("%murakkab plan aimed --minimize {aim}").text


def test_a_variable_that_is_not_there_or_is_no_text_is_told(loaded):
    loaded.run("aim = ['latency']")
    reply = loaded.run("%%murakkab aimed --minimize {aimm}\nloud <- shout {words} @python:shout\n")
    assert reply.error[0] == "UsageError"
    assert "Did you mean {aim}?" in reply.error[1]
    reply = loaded.run("%murakkab plan aimed --minimize {aim}")
    assert "aim is a list" in reply.error[1]


def test_an_answer_is_shown_with_its_evidence(loaded):
    reply = loaded.run(
        "from murakkab_jupyter.core.kinds import Answer, Evidence\n"
        "Answer('Yes.', (Evidence('/home/someone/harbour.mp4', 5.0, 8.0, 'he said'),))"
    )
    assert "harbour.mp4 0:05" in reply.text
    assert "someone" not in reply.text + reply.html


def test_a_description_alone_shows_its_steps_puts_them_below_and_runs_nothing(loaded):
    reply = loaded.run("reviews = ['Fine.', 'Bad.']\n")
    assert reply.error is None
    reply = loaded.run("%%murakkab desk\nSummarise the reviews in 50 words.")
    assert reply.error is None
    assert "summary <- summarise {reviews} in 50 words" in reply.text
    assert "Nothing has run" in reply.text
    assert loaded.run("print('desk' in dir())").text.strip() == "False"
