#!/usr/bin/env bash
# What newer versions of the packages we use do to us: installs the newest that the ceilings of pyproject.toml allow, and the newest of
# all, runs the demo and a selection of tests on each, and prints a table: package, locked, newest, works or what breaks.
# `bash tests/newest.sh allowed` does the first half alone, and fails where something breaks; the second half is a report, and never fails.
# `--write docs/versions.md` writes the table there. Needs Python 3.11 to 3.13 (PYTHON names it) and the package index.
set -euo pipefail
cd "$(dirname "$0")/.."
tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt 'uv==0.13.9' packaging
PATH="$tools/venv/bin:$PATH" "$tools/venv/bin/python" tests/newest.py "$@"
