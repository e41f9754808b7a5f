#!/usr/bin/env bash
# The JupyterLab extension by itself, from a clean copy: its checks, the wheel with it in a fresh venv, and the browser
# tests. Needs Python 3.11, node 20, chromium, the package index and the npm registry. tests/all.sh holds all of it too.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

lacking="$(bash tests/lacking.sh)"
if [ -n "$lacking" ]; then
  echo "Missing: $lacking." >&2
  exit 1
fi
"${PYTHON:-python3}" -m venv "$work/venv"
export PATH="$work/venv/bin:$PATH"
pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
pip install --quiet -c constraints.txt --group build
bash tests/wheel.sh "$work/wheel"
bash tests/install.sh "$work/wheel"
murakkab models --fetch >"$work/fetched"
MURAKKAB_BROWSER_TESTS=required python -m pytest tests/labextension
