#!/usr/bin/env bash
# tests/wheel.sh FOLDER: the JupyterLab extension checked (types, style, unit tests), and a wheel that carries it, from
# nothing but what git knows. Needs node 20 or newer and the npm registry; `jlpm`, `jupyter-builder` and `build` on the path.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "${1:?a folder for the wheel}"
out="$(cd "$1" && pwd)"
checkout="$(mktemp -d)"
trap 'rm -rf "$checkout"' EXIT

# What git knows and what is new, and nothing that was built before.
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' one; do
  if [ -e "$one" ]; then printf '%s\0' "$one"; fi
done | xargs -0 tar cf - | tar xf - -C "$checkout"
cd "$checkout"

MURAKKAB_BUILD_LABEXTENSION=1 python -m build --no-isolation --wheel --outdir "$out" .
(cd labextension && jlpm check && jlpm lint && jlpm test)
