#!/usr/bin/env bash
# The JupyterLab extension from a clean checkout: its types, style and unit tests, the wheel with it in a fresh
# venv, and the browser tests. Needs Python 3.11, node 20, chromium, the package index and the npm registry.
set -euo pipefail
cd "$(dirname "$0")/.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python="${PYTHON:-python3}"

# What git knows and what is new, and nothing that was built before.
mkdir "$work/checkout"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' one; do
  if [ -e "$one" ]; then printf '%s\0' "$one"; fi
done | xargs -0 tar cf - | tar xf - -C "$work/checkout"
cd "$work/checkout"

"$python" -m venv "$work/venv"
pip=("$work/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" 'jupyterlab>=4.4,<5' 'jupyter-builder>=1.3' 'hatchling>=1.27' build
export PATH="$work/venv/bin:$PATH"

MURAKKAB_BUILD_LABEXTENSION=1 python -m build --no-isolation --wheel --outdir "$work/dist" .
(cd labextension && jlpm check && jlpm lint && jlpm test)

# The tests see the installed wheel, not the checkout's package: only they are kept, and node_modules for axe-core.
"${pip[@]}" "$work"/dist/*.whl ipykernel pytest pytest-timeout playwright hypothesis
mkdir "$work/tests"
cp -r tests pyproject.toml "$work/tests/"
mkdir -p "$work/tests/labextension/node_modules"
cp -r labextension/test "$work/tests/labextension/"
cp -r labextension/node_modules/axe-core "$work/tests/labextension/node_modules/"
cd "$work/tests"
jupyter labextension list 2>&1 | grep -E 'murakkab-jupyter.*enabled.*OK'
pytest -q tests/labextension
