#!/usr/bin/env bash
# Makes constraints.txt: one version of every package that pyproject.toml's extras and build group bring, direct or not, for
# Python 3.11 to 3.13 on Linux. README's commands install from it. Takes the newest versions that the ceilings allow, so run the
# tests before you commit it: tests/newest.sh says which of them differ from the present file.
# `bash tests/lock.sh FILE` writes another file, and leaves constraints.txt alone.
set -euo pipefail
cd "$(dirname "$0")/.."
out="${1:-constraints.txt}"
tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check 'uv==0.13.9'
# No folder of local packages may leave its marks (torch's "+cpu") in the file.
env -u PIP_FIND_LINKS -u UV_FIND_LINKS "$tools/venv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 \
  --all-extras --group build --no-annotate --no-emit-index-url --custom-compile-command "bash tests/lock.sh" \
  --output-file "$out" pyproject.toml
