"""The words and the environment that a configuration makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from murakkab_jupyter.cluster.engines.config import (
    EngineConfig,
    argv,
    called,
    memory_needed_bytes,
    not_taken,
    server_environment,
)
from murakkab_jupyter.core.errors import UsageError


def words_after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_the_least_says_where_to_listen_and_which_model() -> None:
    assert argv(EngineConfig("m"), port=9) == [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server",
        "--host", "127.0.0.1", "--port", "9", "--model", "m", "--served-model-name", "m",
    ]  # fmt: skip


def test_every_lever_has_its_word() -> None:
    config = EngineConfig(
        "org/Big-Model", python="/opt/vllm/bin/python", gpus=4, tensor_parallel=2, replicas=2, max_num_seqs=64,
        max_model_len=4096, dtype="bfloat16", quantization="fp8", lora=(("law", "/a"), ("med", "/b")), eager=True,
        gpu_memory_utilization=0.5, arguments=("--enable-prefix-caching",),
    )  # fmt: skip
    words = argv(config, port=9)
    assert words[0] == "/opt/vllm/bin/python"
    for option, value in {
        "--served-model-name": "big-model", "--tensor-parallel-size": "2", "--data-parallel-size": "2",
        "--max-num-seqs": "64", "--max-model-len": "4096", "--dtype": "bfloat16", "--quantization": "fp8",
        "--gpu-memory-utilization": "0.5", "--lora-modules": "law=/a",
    }.items():  # fmt: skip
        assert words_after(words, option) == value
    assert words[words.index("--lora-modules") + 2] == "med=/b"
    assert {"--enable-lora", "--enforce-eager"} < set(words)
    assert words[-1] == "--enable-prefix-caching"


def test_the_interpreter_of_the_worker_is_used_where_none_is_named() -> None:
    assert argv(EngineConfig("m"), port=1, python="/x/python")[0] == "/x/python"
    assert argv(EngineConfig("m", python="/y/python"), port=1, python="/x/python")[0] == "/y/python"


def test_another_servers_command_is_filled_in_and_is_no_shells() -> None:
    config = EngineConfig(
        "a b.gguf", name="n", command="llama-server -m {model} --port {port} -x '{$HOME}; {y}'"
    )
    assert argv(config, port=7) == ["llama-server", "-m", "a b.gguf", "--port", "7", "-x", "{$HOME}; {y}"]


@pytest.mark.parametrize(
    ("model", "name"),
    [("org/Llama-3.1-8B", "llama-3.1-8b"), ("/models/SmolLM2 135M/", "smollm2-135m"), ("///", "engine")],
)
def test_a_name_is_made_of_the_model(model: str, name: str) -> None:
    assert called(model) == name


@pytest.mark.parametrize(
    "wrong",
    [
        {"tensor_parallel": 0}, {"replicas": 0}, {"gpus": -1}, {"max_num_seqs": 0}, {"port": 70000},
        {"gpu_memory_utilization": 1.5}, {"model": " "}, {"restarts": -1},
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_a_hint(wrong: dict) -> None:
    with pytest.raises(UsageError) as caught:
        EngineConfig(**{"model": "m", **wrong})
    assert caught.value.hint


def test_what_a_running_engine_does_not_take_is_said() -> None:
    running = EngineConfig("m", name="n", gpus=1)
    assert not_taken(EngineConfig("m", name="n"), running) == ""
    assert not_taken(EngineConfig("m", name="n", gpus=1), running) == ""
    assert not_taken(EngineConfig("m", name="n", gpus=2, keep_alive_s=60.0), running) == (
        "n runs already, so not taken: --gpus 2 (it has 1), --keep-alive 60 s (it is kept by its own figures). "
        "Stop it and start it again for that."
    )
    kept = EngineConfig("m", name="n", gpus=0, keep_alive_s=30.0)
    assert "(it is kept 30 s)" in not_taken(EngineConfig("m", name="n", keep_alive_s=60.0), kept)


def test_a_broken_command_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        argv(EngineConfig("m", command="serve 'x"), port=1)


def test_it_sees_its_own_gpus_and_cores_and_nothing_of_our_interpreter(tmp_path: Path) -> None:
    base = {
        "PATH": "/bin",
        "PYTHONPATH": "/ours",
        "VIRTUAL_ENV": "/ours",
        "CUDA_DEVICE_ORDER": "FASTEST_FIRST",
    }
    on_gpu = server_environment(EngineConfig("m", gpus=1), gpus=("2",), cpus=(), base=base)
    assert on_gpu["CUDA_VISIBLE_DEVICES"] == "2"
    assert on_gpu["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"  # the number is NVML's, whatever the worker was told
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "VLLM_CPU_KVCACHE_SPACE", "HF_HUB_OFFLINE"} & set(on_gpu)
    on_cpu = server_environment(EngineConfig(str(tmp_path)), gpus=(), cpus=(0, 3), base=base)
    assert on_cpu["CUDA_VISIBLE_DEVICES"] == ""
    assert (on_cpu["VLLM_CPU_OMP_THREADS_BIND"], on_cpu["VLLM_CPU_KVCACHE_SPACE"]) == ("0,3", "1")
    assert on_cpu["HF_HUB_OFFLINE"] == "1"  # all of it is in that folder
    assert on_cpu["VLLM_NO_USAGE_STATS"] == "1"


@pytest.mark.parametrize("command", ["", "serve -m {model}"])
def test_a_server_gets_no_keys_of_others_but_what_it_fetches_its_weights_with(command) -> None:
    names = (
        "VLLM_API_KEY",
        "OPENAI_API_KEY",
        "MURAKKAB_API_KEY",
        "MURAKKAB_KEY_HOST",
        "THEIR_KEY",
        "HF_TOKEN",
    )
    base = {**dict.fromkeys(names, "secret"), "PATH": "/bin"}
    config = EngineConfig("m", command=command, withheld=("THEIR_KEY", "HF_TOKEN"))
    made = server_environment(config, gpus=(), cpus=(), base=base)
    assert set(base) & set(made) == {"HF_TOKEN", "PATH"}


def test_a_server_gets_a_key_that_its_own_command_names() -> None:
    base = {"OPENAI_API_KEY": "a", "THEIR_KEY": "b", "THEIR_KEY_2": "c"}
    config = EngineConfig(
        "m", command="sh -c 'proxy --key $THEIR_KEY_2'", withheld=("THEIR_KEY", "THEIR_KEY_2")
    )
    made = server_environment(config, gpus=(), cpus=(), base=base)
    assert set(base) & set(made) == {"THEIR_KEY_2"}


def test_what_is_withheld_makes_no_other_engine() -> None:
    assert EngineConfig("m", withheld=("A",)) == EngineConfig("m")


def test_memory_is_estimated_from_the_weights_where_they_are_here(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    one = memory_needed_bytes(EngineConfig(str(tmp_path)))
    two = memory_needed_bytes(EngineConfig(str(tmp_path), replicas=2))
    assert one is not None
    assert two is not None
    assert two - one == 1000 + 2**30
    assert memory_needed_bytes(EngineConfig(str(tmp_path), memory_bytes=5)) == 5
    assert memory_needed_bytes(EngineConfig("org/somewhere-else")) is None


def test_it_survives_json() -> None:
    config = EngineConfig(
        "m", lora=(("a", "/b"),), arguments=("-x",), gpus=2, keep_alive_s=5.0, withheld=("K",)
    )
    again = EngineConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert (again, again.withheld) == (config, ("K",))
