"""What a log says of why its server ended. The long one has the form of vLLM's."""

from __future__ import annotations

from murakkab_jupyter.cluster.engines.why import last_words

CORE = "(EngineCore pid=879) ERROR 11-29 04:46:23 [core.py:1750] "
FRAMES = [
    f'  File "/venv/vllm/part{n}.py", line {n}, in step\n    return await main\n           ^^^^^'
    for n in range(30)
]


def test_what_was_raised_first_is_told_without_the_frames_after_it(tmp_path) -> None:
    log = tmp_path / "log"
    lines = [
        "(APIServer pid=880) INFO 11-29 04:46:20 [api_server.py:9] vLLM 0.32.0",
        f"{CORE}Traceback (most recent call last):",
        *(f"{CORE}{line}" for frame in FRAMES for line in frame.splitlines()),
        f"{CORE}ValueError: No adapter found for /adapters/x",
        f"{CORE}",
        *(
            f"(APIServer pid=880) INFO 11-29 04:46:23 [core_client.py:777] shutting down {n}"
            for n in range(20)
        ),
        "Traceback (most recent call last):",
        *FRAMES,
        "RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    log.write_text("\n".join(lines) + "\n")
    told = last_words(log, 5).splitlines()
    assert told[0] == "ValueError: No adapter found for /adapters/x"
    assert told[-1] == "RuntimeError: Engine core initialization failed. See root cause above."
    assert len(told) == 5
    assert not any("File" in line or "^" in line for line in told)


def test_what_follows_an_error_belongs_to_it_and_a_usage_is_left_out(tmp_path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "usage: api_server.py [-h]\n                     [--dtype {auto,half}]\n\n"
        "api_server.py: error: argument --dtype: invalid choice: 'float7'\n"
    )
    assert last_words(log, 12) == "api_server.py: error: argument --dtype: invalid choice: 'float7'"
    log.write_text(
        "Traceback (most recent call last):\n" + FRAMES[0] + "\n"
        "pydantic.ValidationError: 1 validation error\n  Value error, no config.json\n   - in /models/x\n"
    )
    assert last_words(log, 12).splitlines() == [
        "pydantic.ValidationError: 1 validation error",
        "  Value error, no config.json",
        "   - in /models/x",
    ]


def test_a_plain_log_is_its_last_lines_and_none_is_empty(tmp_path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {n}" for n in range(50)))
    assert last_words(log, 3) == "line 47\nline 48\nline 49"
    assert last_words(tmp_path / "none", 3) == ""
    log.write_text("KeyError: 'a'\n" + "\n".join(f"line {n}" for n in range(50)))
    assert last_words(log, 2) == "KeyError: 'a'\nline 49"


def test_of_many_that_were_raised_the_first_and_the_latest_are_told(tmp_path) -> None:
    log = tmp_path / "log"
    raised = [f"ValueError: number {n}" for n in range(6)]
    log.write_text("\n".join((*raised, *(f"line {n}" for n in range(50)))))
    assert last_words(log, 4).splitlines() == [raised[0], raised[4], raised[5], "line 49"]


def test_a_line_that_only_speaks_of_usage_is_told(tmp_path) -> None:
    log = tmp_path / "log"
    log.write_text("CUDA out of memory, usage: 79 of 80 GiB\n  by this process: 78 GiB\n")
    assert last_words(log, 5) == "CUDA out of memory, usage: 79 of 80 GiB\n  by this process: 78 GiB"


def test_frames_are_left_out_whatever_stands_before_the_traceback(tmp_path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "\n".join(["loading", "ERROR:    Traceback (most recent call last):", *FRAMES, "ValueError: no room"])
    )
    assert last_words(log, 8).splitlines() == ["loading", "ValueError: no room"]
